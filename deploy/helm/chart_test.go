// Package helm has the test of the chart beside it.
package helm

import (
	"bytes"
	"io"
	"path"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

const chart = "nym-socks5"

type values = map[string]any

// all has every part, set as far as needed.
func all() values {
	on := func(more values) values { more["enabled"] = true; return more }
	return values{
		"network":   values{"name": "test", "directoryKey": "KEY"},
		"directory": on(values{}),
		"mixnode":   on(values{"announce": "host", "env": values{"MIXNODE_LOG_LEVEL": "debug"}}),
		"gateway":   on(values{"resources": values{"limits": values{"memory": "1Gi"}}, "storageClass": "fast"}),
		"requester": on(values{"allow": []any{"example.org:443", "*.example.net"}}),
		"socks":     on(values{"nodeSelector": values{"disk": "ssd"}, "tolerations": []any{values{"operator": "Exists"}}}),
	}
}

func TestLint(t *testing.T) {
	for name, v := range map[string]values{"all": all(), "none": {}} {
		lint := action.NewLint()
		lint.Strict = true
		if result := lint.Run([]string{chart}, v); len(result.Errors) > 0 {
			t.Errorf("with %s: %v", name, result.Errors)
		}
	}
}

// render fills the templates in, and decodes what comes out: a field that
// Kubernetes does not know is an error.
func render(t *testing.T, v values) (objects []runtime.Object, notes string, err error) {
	t.Helper()
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	filled, err := chartutil.ToRenderValues(c, v, chartutil.ReleaseOptions{Name: "nym", Namespace: "here"}, nil)
	if err != nil {
		return nil, "", err
	}
	files, err := engine.Render(c, filled)
	if err != nil {
		return nil, "", err
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := appsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decode := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer().Decode
	for name, text := range files {
		if path.Base(name) == "NOTES.txt" {
			notes = text
			continue
		}
		for r := utilyaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(text))); ; {
			b := make([]byte, 1<<20)
			n, err := r.Read(b)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(bytes.TrimSpace(b[:n])) == 0 {
				continue
			}
			o, _, err := decode(b[:n], nil, nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, b[:n])
			}
			objects = append(objects, o)
		}
	}
	return objects, notes, nil
}

func TestAllParts(t *testing.T) {
	objects, notes, err := render(t, all())
	if err != nil {
		t.Fatal(err)
	}
	sets := make(map[string]*appsv1.StatefulSet)
	services := make(map[string]*corev1.Service)
	for _, o := range objects {
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			sets[o.Name] = o
		case *corev1.Service:
			services[o.Name] = o
		}
	}
	if len(sets) != 5 || len(services) != 5 || len(objects) != 10 {
		t.Fatalf("there are %d objects: %d sets and %d services, want 5 of each", len(objects), len(sets), len(services))
	}
	for name, s := range sets {
		if services[s.Spec.ServiceName] == nil {
			t.Errorf("%s has no service", name)
		}
		pod := s.Spec.Template.Spec
		c := pod.Containers[0]
		if !*pod.SecurityContext.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation ||
			*pod.AutomountServiceAccountToken || *pod.SecurityContext.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch {
			t.Errorf("%s may more than it needs", name)
		}
		if len(s.Spec.VolumeClaimTemplates) != 1 || c.VolumeMounts[0].MountPath != "/var/lib/nym-socks5" {
			t.Errorf("%s keeps nothing", name)
		}
		if c.Image != "nym-socks5:v0.0.0" {
			t.Errorf("%s runs %s", name, c.Image)
		}
	}
	for set, want := range map[string]map[string]string{
		"nym-directory": {"DIRECTORY_URL": "http://nym-directory.here.svc:8080/api/"},
		"nym-mixnode":   {"MIXNODE_DIRECTORY": "http://nym-directory.here.svc:8080/api/", "MIXNODE_DIRECTORY_KEY": "KEY", "MIXNODE_MIX_ANNOUNCE": "$(ADDRESS):1789", "MIXNODE_LOG_LEVEL": "debug"},
		"nym-requester": {"NETWORK_REQUESTER_REGISTER": "true", "NETWORK_REQUESTER_NETWORK": "test"},
		"nym-socks":     {"NYM_SOCKS5_REQUESTER": "auto", "NYM_SOCKS5_NETWORK": "test"},
	} {
		got := make(map[string]string)
		for _, v := range sets[set].Spec.Template.Spec.Containers[0].Env {
			got[v.Name] = v.Value
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s has %s=%q, want %q", set, name, got[name], value)
			}
		}
	}
	if got := strings.Join(sets["nym-requester"].Spec.Template.Spec.Containers[0].Command, " "); got != "network-requester run --allow example.org:443 --allow *.example.net" {
		t.Errorf("the requester runs %q", got)
	}
	if !sets["nym-mixnode"].Spec.Template.Spec.HostNetwork || sets["nym-gateway"].Spec.Template.Spec.HostNetwork {
		t.Error("who announces the machine's address needs the machine's network, and nobody else does")
	}
	if !strings.Contains(notes, "exec nym-directory-0 -- directory details") {
		t.Errorf("the notes are %s", notes)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		v    values
		want string
	}{
		"no key":        {values{"mixnode": values{"enabled": true}}, "network.directoryKey is needed"},
		"no rules":      {values{"network": values{"directoryKey": "KEY"}, "requester": values{"enabled": true}}, "requester.allow is needed"},
		"unknown value": {values{"mixnode": values{"replica": 2}}, "replica"},
		"bad announce":  {values{"mixnode": values{"announce": "world"}}, "announce"},
	} {
		if _, _, err := render(t, c.v); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if objects, _, err := render(t, nil); err != nil || len(objects) != 0 {
		t.Errorf("nothing enabled gives %d objects, %v", len(objects), err)
	}
}
