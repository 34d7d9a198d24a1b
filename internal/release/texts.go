package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"nym-socks5/internal/systemd"
)

// A reader is who manual pages are for: they name the folders of settings and state.
type reader struct{ home, config, state string }

var (
	forUser   = reader{"/home/user", "/home/user/.config", "/home/user/.local/state"}
	forSystem = reader{"/", "/etc", "/var/lib"}
)

// usageExit is the exit code of our programs where the command line is wrong.
const usageExit = 2

// writeTexts has programs print their manual pages and completions.
//
//	man/PROGRAM.1   completions/bash/PROGRAM   completions/zsh/_PROGRAM   completions/fish/PROGRAM.fish
//
// A program that knows no such command has none.
func writeTexts(ctx context.Context, all []program, who reader, dir string) error {
	for _, p := range all {
		for _, text := range []struct{ file, command string }{
			{"man/" + p.name + ".1", "man"},
			{"completions/bash/" + p.name, "completion bash"},
			{"completions/zsh/_" + p.name, "completion zsh"},
			{"completions/fish/" + p.name + ".fish", "completion fish"},
		} {
			cmd := exec.CommandContext(ctx, p.path, strings.Fields(text.command)...)
			cmd.Dir = filepath.Dir(p.path)
			cmd.Env = []string{
				"HOME=" + who.home,
				"CONFIGURATION_DIRECTORY=" + filepath.Join(who.config, product, p.name),
				"STATE_DIRECTORY=" + filepath.Join(who.state, product, p.name),
			}
			out, err := cmd.Output()
			if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == usageExit {
				continue
			}
			if err != nil {
				return fmt.Errorf("release: %s %s: %w", p.name, text.command, err)
			}
			file := filepath.Join(dir, filepath.FromSlash(text.file))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, out, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// services are the programs that run as services, by what their units say of them.
var services = map[string]string{
	"directory":         "Directory of a mixnet",
	"mixnode":           "Mix node",
	"gateway":           "Gateway of a mixnet",
	"network-requester": "Network requester of a mixnet",
	"nym-socks5":        "SOCKS proxy into a mixnet",
	"nym-client":        "Mixnet client with a WebSocket",
	"broadcaster":       "Broadcaster of transactions from a mixnet",
}

// environmentFile is for variables of all services of a machine.
const environmentFile = "/etc/default/" + product

// writeUnits writes a template of units for each program that is a service. An
// instance has the places of files that root's commands have.
func writeUnits(all []program, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range all {
		about, is := services[p.name]
		if !is {
			continue
		}
		unit := "nym-" + strings.TrimPrefix(p.name, "nym-") + "@.service"
		u := systemd.Unit{
			Description: about + " (%i)", Program: p.name, Bin: "/usr/bin", ID: systemd.Instance,
			Folder: product + "/" + p.name, Environment: environmentFile,
		}
		b := new(bytes.Buffer)
		if err := u.Write(b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, unit), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "low-ports.conf"), []byte(systemd.LowPorts), 0o644)
}
