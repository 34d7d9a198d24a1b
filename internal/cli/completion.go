package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// complete is the command completion.
func complete(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("say for which shell: %s completion bash, zsh or fish", c.App.Name)
	}
	w := c.App.Writer
	switch shell := c.Args().First(); shell {
	case "bash":
		bashCompletion(w, c.App)
		return nil
	case "zsh":
		fmt.Fprintf(w, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", c.App.Name)
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
	fmt.Fprintf(w, "%s() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\n", function)
	fmt.Fprintf(w, "  case \"${COMP_WORDS[*]:1:COMP_CWORD-1} \" in\n")
	completeBelow(w, a.Commands, nil)
	fmt.Fprintf(w, "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n")
	fmt.Fprintf(w, "complete -o default -F %s %s\n", function, a.Name)
}

// completeBelow writes what may follow some words, deepest first: where they
// stand, the next word is one of commands.
func completeBelow(w io.Writer, commands []*cli.Command, above []string) {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
		words := append(above[:len(above):len(above)], c.Name)
		if len(c.Subcommands) > 0 {
			completeBelow(w, c.Subcommands, words)
			continue
		}
		next := []string{"--help"}
		for _, f := range c.VisibleFlags() {
			if name := "--" + f.Names()[0]; name != next[0] {
				next = append(next, name)
			}
		}
		if c.Name == "completion" {
			next = append(next, "bash", "zsh", "fish")
		}
		fmt.Fprintf(w, "    %q*) words=%q ;;\n", strings.Join(words, " ")+" ", strings.Join(next, " "))
	}
	fmt.Fprintf(w, "    %q) words=%q ;;\n", strings.Join(above, " ")+" ", strings.Join(names, " "))
}

// man is the command man.
func man(c *cli.Context) error {
	page, err := c.App.ToManWithSection(1)
	if err == nil {
		_, err = io.WriteString(c.App.Writer, page)
	}
	return err
}
