package allowlist

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"strings"
)

// presets are lists for what people use mixnets for, one file each, in the
// grammar of the package. The first line of a file says what it is for.
//
//go:embed presets/*.txt
var presets embed.FS

// Presets names the lists that a line "preset NAME" stands for.
func Presets() []string {
	files, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // they are part of the program
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".txt"))
	}
	return names
}

// PresetText gives the text of a preset, comments included.
func PresetText(name string) (string, error) {
	text, err := presets.ReadFile(path.Join("presets", strings.ToLower(name)+".txt"))
	if err != nil {
		return "", fmt.Errorf("there is no preset %q; there are %s", name, strings.Join(Presets(), ", "))
	}
	return string(text), nil
}

// addPreset adds the lines of a preset.
func (l *List) addPreset(words []string) error {
	if len(words) != 1 {
		return errors.New("one preset a line, such as: preset web")
	}
	text, err := PresetText(words[0])
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if err := l.add(line); err != nil {
			return err
		}
	}
	return nil
}
