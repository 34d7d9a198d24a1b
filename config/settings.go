package config

import (
	"encoding"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// A Setting is one value of a Config. It stays connected with it: Set changes
// the Config it was listed from.
type Setting struct {
	Section string // of the file, such as "socks"
	Name    string // in that section, such as "listen"
	Flag    string // such as "listen", without dashes
	Arg     string // what the flag's argument is called, such as "ADDR"; empty for switches
	Help    string
	value   reflect.Value
}

// Settings lists the settings of a Config in the order of its file. The
// version is not one.
func Settings(c Config) []Setting {
	var all []Setting
	sections(reflect.ValueOf(c).Elem(), func(section string, v reflect.Value) {
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			s := Setting{
				Section: section, Name: tag.Get("toml"), Flag: tag.Get("flag"),
				Arg: tag.Get("arg"), Help: tag.Get("help"), value: v.Field(i),
			}
			if s.Flag == "" {
				s.Flag = strings.ReplaceAll(s.Name, "_", "-")
			}
			all = append(all, s)
		}
	})
	return all
}

// sections calls f for each section of a struct: a field that is a struct with
// tags of its own. Embedded structs count as if their fields stood in the struct.
func sections(v reflect.Value, f func(name string, section reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		switch {
		case field.Anonymous:
			sections(v.Field(i), f)
		case field.Type.Kind() == reflect.Struct:
			f(field.Tag.Get("toml"), v.Field(i))
		}
	}
}

// Key is where the setting stands in the file: "socks.listen".
func (s Setting) Key() string { return s.Section + "." + s.Name }

// IsBool reports whether the setting is a switch.
func (s Setting) IsBool() bool { return s.value.Kind() == reflect.Bool }

// IsList reports whether the setting may have many values.
func (s Setting) IsList() bool { return s.value.Kind() == reflect.Slice }

// Set gives the setting a value in text form; a list takes any number, and
// several in one text if there is a semicolon between them. Its errors wrap
// [ErrInvalid].
func (s Setting) Set(texts ...string) error {
	if s.IsList() {
		list := []string{}
		for _, text := range texts {
			for item := range strings.SplitSeq(text, ";") {
				if item = strings.TrimSpace(item); item != "" {
					list = append(list, item)
				}
			}
		}
		s.value.Set(reflect.ValueOf(list).Convert(s.value.Type()))
		return nil
	}
	if len(texts) != 1 {
		return invalid("%s takes one value", s.Key())
	}
	if err := s.set(texts[0]); err != nil {
		return invalid("%s: %v", s.Key(), err)
	}
	return nil
}

func (s Setting) set(text string) error {
	if u, ok := s.value.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch s.value.Interface().(type) {
	case Path:
		if text != "" {
			abs, err := filepath.Abs(text)
			if err != nil {
				return err
			}
			text = abs
		}
		s.value.SetString(text)
	case string:
		s.value.SetString(text)
	case bool:
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		s.value.SetBool(v)
	case int:
		v, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		s.value.SetInt(int64(v))
	default:
		panic("config: no text form for " + s.value.Type().String())
	}
	return nil
}

// String gives the value for people; lists are joined by semicolons.
func (s Setting) String() string {
	if s.IsList() {
		return strings.Join(s.value.Convert(reflect.TypeFor[[]string]()).Interface().([]string), "; ")
	}
	switch v := s.value.Interface().(type) {
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return ""
		}
		return string(b)
	default:
		return fmt.Sprint(v)
	}
}

// anchor makes the path of a file absolute that counts from a folder.
func (s Setting) anchor(folder string) {
	if p, ok := s.value.Interface().(Path); ok && p != "" && !filepath.IsAbs(string(p)) {
		s.value.SetString(filepath.Join(folder, string(p)))
	}
}
