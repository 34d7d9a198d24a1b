package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nym-socks5/config"
)

// Exit codes.
const (
	exitOK        = 0
	exitFailed    = 1  // something went wrong while running
	exitUsage     = 2  // the command line is wrong
	exitTemporary = 75 // trying again later may help (EX_TEMPFAIL)
	exitConfig    = 78 // the settings are wrong (EX_CONFIG)
)

// A usageError is the caller's mistake; its text says what to write instead.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// A temporaryError goes away by itself.
type temporaryError struct{ error }

func (e *temporaryError) Unwrap() error { return e.error }

// Temporary marks an error that may be gone when the program is started again
// later.
func Temporary(err error) error { return &temporaryError{err} }

// Invalid makes an error of settings that are wrong.
func Invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{config.ErrInvalid}, args...)...)
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(*usageError)):
		return exitUsage
	case errors.As(err, new(*temporaryError)):
		return exitTemporary
	case errors.Is(err, config.ErrInvalid):
		return exitConfig
	}
	return exitFailed
}

// message is the one line that tells of an error.
func message(program string, err error) string { return oneLine(program, err.Error()) }

func oneLine(program, text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	text = strings.ReplaceAll(text, config.ErrInvalid.Error()+": ", "")
	return strings.TrimPrefix(text, program+": ")
}

// message is the one line that tells of an error. What is wrong with settings ends in
// their flags, unless it says what to write by itself.
func (p Program[C]) message(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if !errors.Is(err, config.ErrInvalid) || strings.Contains(line, "--") || strings.Contains(line, "did you mean") {
			continue
		}
		if flags := flagsOf(line, config.Settings(p.New())); len(flags) > 0 {
			lines[i] += " (" + strings.Join(flags, ", ") + ")"
		}
	}
	return oneLine(p.Name, strings.Join(lines, "\n"))
}

// flagsOf lists the flags of the settings that a text names.
func flagsOf(text string, all []config.Setting) (flags []string) {
	for word := range strings.FieldsSeq(text) {
		word = strings.TrimRight(strings.TrimLeft(word, "("), ":;,)")
		for _, s := range all {
			if flag := "--" + s.Flag; word == s.Key() && !slices.Contains(flags, flag) {
				flags = append(flags, flag)
			}
		}
	}
	return flags
}

// didYouMean is " (did you mean ...?)", or nothing.
func didYouMean(word string, known []string, dashes string) string {
	if meant, ok := config.Closest(word, known); ok {
		return fmt.Sprintf(" (did you mean %s%s?)", dashes, meant)
	}
	return ""
}
