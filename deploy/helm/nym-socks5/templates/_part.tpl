{{/* Where the directory is. */}}
{{- define "nym.directory" -}}
{{- if .Values.network.directory -}}{{ .Values.network.directory }}
{{- else if .Values.directory.url -}}{{ .Values.directory.url }}
{{- else -}}http://{{ .Release.Name }}-directory.{{ .Release.Namespace }}.svc:8080/api/
{{- end -}}
{{- end -}}

{{- define "nym.labels" -}}
app.kubernetes.io/name: nym-socks5
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* What a part is told of the network. prefix: of its variables. */}}
{{- define "nym.network" -}}
- {name: {{ .prefix }}_NETWORK, value: {{ .root.Values.network.name | quote }}}
- {name: {{ .prefix }}_DIRECTORY, value: {{ include "nym.directory" .root | quote }}}
- {name: {{ .prefix }}_DIRECTORY_KEY, value: {{ required "network.directoryKey is needed: kubectl exec RELEASE-directory-0 -- directory details" .root.Values.network.directoryKey | quote }}}
{{- end -}}

{{/* A stateful set, and the service before it.
     name, program: of the part; part: its values; env: YAML of its own variables; args: its flags;
     ports: names and numbers, of which the first says whether it lives. */}}
{{- define "nym.part" -}}
{{- $part := .part -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "nym.labels" . | nindent 4 }}
spec:
  {{- if not .balanced }}
  clusterIP: None
  {{- end }}
  publishNotReadyAddresses: {{ not .balanced }}
  selector:
    {{- include "nym.labels" . | nindent 4 }}
  {{- with .ports }}
  ports:
    {{- range . }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}}
    {{- end }}
  {{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "nym.labels" . | nindent 4 }}
spec:
  serviceName: {{ .root.Release.Name }}-{{ .name }}
  replicas: {{ $part.replicas | default 1 }}
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "nym.labels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "nym.labels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 30
      {{- if eq ($part.announce | default "pod") "host" }}
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        # Not at each start: it would open the keys to the group, and then
        # the programs refuse them.
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: {type: RuntimeDefault}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [{{ .program }}, run{{ range .args }}, {{ . | quote }}{{ end }}]
          env:
            - name: ADDRESS
              valueFrom: {fieldRef: {fieldPath: {{ eq ($part.announce | default "pod") "host" | ternary "status.hostIP" "status.podIP" }}}}
            {{- .env | nindent 12 }}
            {{- range $name, $value := $part.env }}
            - {name: {{ $name }}, value: {{ $value | quote }}}
            {{- end }}
          {{- with .ports }}
          ports:
            {{- range . }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
          readinessProbe:
            exec:
              command: [probe{{ range . }}, "127.0.0.1:{{ .port }}"{{ end }}]
            timeoutSeconds: 5
          livenessProbe:
            exec:
              command: [probe, "127.0.0.1:{{ (first .).port }}"]
            # A node opens its ports once it knows its network, which may take long.
            initialDelaySeconds: 300
            periodSeconds: 60
            timeoutSeconds: 5
            failureThreshold: 5
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          {{- with $part.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            - {name: state, mountPath: /var/lib/nym-socks5}
      {{- with $part.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $part.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  volumeClaimTemplates:
    - metadata: {name: state}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $part.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ $part.storage }}}}
{{- end -}}
