package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// A Build says what a program was built from.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Time     string `json:"time"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// BuildInfo reads what the Go toolchain wrote into the program.
func BuildInfo() Build {
	b := Build{Version: "unknown", Revision: "unknown", Time: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func writeBuildInfo(c *cli.Context, name string) error {
	b := BuildInfo()
	return output(c, b, []Detail{
		{"program", name}, {"version", b.Version}, {"revision", b.Revision}, {"time", b.Time},
		{"modified", fmt.Sprint(b.Modified)}, {"go", b.Go}, {"platform", b.Platform},
	})
}

// details is the command details. It takes no lock, so that it can look at the
// instance of a program that runs.
func (p Program[C]) details(c *cli.Context) error {
	return p.withInstance(c, false, func(cfg C, s *State, ks Keys) error {
		facts, err := p.Details(cfg, s, ks)
		if err != nil {
			return err
		}
		return outputFacts(c, facts)
	})
}

// output writes v as JSON, or facts line by line.
func output(c *cli.Context, v any, facts []Detail) error {
	switch format := c.String("output"); format {
	case "json":
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.App.Writer, "%s\n", b)
		return err
	case "text":
		return writeFacts(c.App.Writer, facts)
	default:
		return usagef("--output %q: it can be text or json", format)
	}
}

func writeFacts(w io.Writer, facts []Detail) error {
	width := 0
	for _, f := range facts {
		width = max(width, len(f.Name))
	}
	for _, f := range facts {
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, f.Name, f.Value); err != nil {
			return err
		}
	}
	return nil
}
