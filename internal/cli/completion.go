package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// completion is the command completion.
func (p Program[C]) completion(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("say for which shell: %s completion bash, zsh or fish", p.Name)
	}
	w := c.App.Writer
	switch shell := c.Args().First(); shell {
	case "bash":
		bashCompletion(w, c.App)
		return nil
	case "zsh":
		fmt.Fprintf(w, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", p.Name)
		bashCompletion(w, c.App)
		return nil
	case "fish":
		script, err := c.App.ToFishCompletion()
		if err == nil {
			_, err = io.WriteString(w, script)
		}
		return err
	default:
		return usagef("unknown shell %q%s; say bash, zsh or fish", shell, didYouMean(shell, []string{"bash", "zsh", "fish"}, ""))
	}
}

// bashCompletion completes commands, then their flags, then files.
func bashCompletion(w io.Writer, a *cli.App) {
	function := "_" + strings.ReplaceAll(a.Name, "-", "_")
	var commands []string
	for _, c := range a.Commands {
		commands = append(commands, c.Name)
	}
	fmt.Fprintf(w, "%s() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\n", function)
	fmt.Fprintf(w, "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words=%q\n", strings.Join(commands, " "))
	fmt.Fprintf(w, "  else\n    case \"${COMP_WORDS[1]}\" in\n")
	for _, c := range a.Commands {
		words := []string{"--help"}
		for _, f := range c.Flags {
			words = append(words, "--"+f.Names()[0])
		}
		if c.Name == "completion" {
			words = append(words, "bash", "zsh", "fish")
		}
		fmt.Fprintf(w, "    %s) words=%q ;;\n", c.Name, strings.Join(words, " "))
	}
	fmt.Fprintf(w, "    esac\n  fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n")
	fmt.Fprintf(w, "complete -o default -F %s %s\n", function, a.Name)
}

// man is the command man.
func (p Program[C]) man(c *cli.Context) error {
	page, err := c.App.ToManWithSection(1)
	if err == nil {
		_, err = io.WriteString(c.App.Writer, page)
	}
	return err
}
