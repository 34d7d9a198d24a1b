package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// chat has two people talk in terminals, one of whom is killed meanwhile, then two others
// on pages in Chromium.
func chat(ctx context.Context, w *world) error {
	if err := chatInTerminals(ctx, w); err != nil {
		return err
	}
	if _, err := os.Stat("sdk/node_modules/playwright-core"); err != nil {
		w.say("fetching playwright-core, which drives Chromium")
		if _, err := w.output(ctx, "", "npm", "--prefix", "sdk", "ci", "--no-fund", "--no-audit", "--loglevel=error"); err != nil {
			return err
		}
	}
	out, err := w.output(ctx, "", "node", "examples/chat/drive.mjs", filepath.Join(w.bin, "chat"), w.directory, w.folder())
	if err != nil {
		return err
	}
	w.say("%s", strings.TrimSpace(out))
	return nil
}

func chatInTerminals(ctx context.Context, w *world) error {
	sit := func(name, state string) (*process, error) {
		return w.start(ctx, "", "chat", "-terminal", "-directory", w.directory, "-state", state, "-name", name)
	}
	aliceState, bobState := w.folder(), w.folder()
	alice, err := sit("Alice", aliceState)
	if err != nil {
		return err
	}
	bob, err := sit("Bob", bobState)
	if err != nil {
		return err
	}
	card, err := bob.line(ctx, "your card: ")
	if err != nil {
		return err
	}
	file := make([]byte, 300_000)
	rand.Read(file)
	path := filepath.Join(w.folder(), "holiday.bin")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return err
	}
	steps := []struct {
		who          **process
		types, hears string
	}{
		{&alice, "/add " + card, ""},
		{&bob, "", "[1] Alice asks to write to you"},
		{&bob, "/accept 1", "[1] Alice is a contact"},
		{&alice, "good evening", "✓✓ to Bob: good evening"},
		{&bob, "", "[1] Alice: good evening"},
		{&alice, "/file " + path, ""},
		{&bob, "", `[1] Alice offers the file "holiday.bin" of 300000 bytes`},
		{&bob, "/take 2", `file "holiday.bin": 30 %`},
	}
	for _, s := range steps {
		if s.types != "" {
			if _, err := fmt.Fprintln((*s.who).in, s.types); err != nil {
				return err
			}
		}
		if s.hears != "" {
			if _, err := (*s.who).line(ctx, s.hears); err != nil {
				return err
			}
		}
	}
	bob.kill() // in the middle of the file
	if _, err := fmt.Fprintln(alice.in, "where are you?"); err != nil {
		return err
	}
	if _, err := alice.line(ctx, "✓ to Bob: where are you?"); err != nil {
		return err
	}
	if bob, err = sit("Bob", bobState); err != nil {
		return err
	}
	if _, err := bob.line(ctx, "[1] Alice: where are you?"); err != nil {
		return err
	}
	at, err := bob.line(ctx, `file "holiday.bin" is in `)
	if err != nil {
		return err
	}
	if got, err := os.ReadFile(at); err != nil || !bytes.Equal(got, file) {
		return fmt.Errorf("the file came as %d other bytes, %w", len(got), err)
	}
	w.say("a conversation in terminals, with kill -9 in the middle of a file")
	return nil
}
