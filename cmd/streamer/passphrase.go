// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// passphraseVariable may hold the passphrase. It is no flag's default, so that no help page or process list shows it.
const passphraseVariable = "STREAMER_PASSPHRASE"

// passphraseBytesMax bounds a passphrase.
const passphraseBytesMax = 1024

// passphraseFlags are those of commands that need a passphrase. The passphrase itself is never a flag: others see those.
type passphraseFlags struct {
	PassphraseFile string `placeholder:"FILE" help:"Read the passphrase from the first line of a file. Otherwise $$STREAMER_PASSPHRASE, otherwise it is asked for."`
}

// passphrase finds the passphrase; twice asks a person to repeat it.
func (f *passphraseFlags) passphrase(p *program, twice bool) (string, error) {
	if f.PassphraseFile != "" {
		b, err := os.ReadFile(f.PassphraseFile)
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(b), "\n")
		return checkPassphrase(strings.TrimSuffix(line, "\r"))
	}
	if s := os.Getenv(passphraseVariable); s != "" {
		return checkPassphrase(s)
	}
	stdin, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return "", usageError{withHint(errors.New("there is no terminal to ask for the passphrase"),
			"use --passphrase-file or $%s", passphraseVariable)}
	}
	first, err := ask(p, stdin, "Passphrase: ")
	if err != nil || !twice {
		return first, err
	}
	second, err := ask(p, stdin, "Once more:  ")
	if err == nil && first != second {
		err = errors.New("the two passphrases differ")
	}
	return first, err
}

// ask reads a passphrase without showing it.
func ask(p *program, terminal *os.File, prompt string) (string, error) {
	fmt.Fprint(p.stderr, prompt)
	b, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(p.stderr)
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	return checkPassphrase(string(b))
}

func checkPassphrase(s string) (string, error) {
	if s == "" || len(s) > passphraseBytesMax {
		return "", fmt.Errorf("the passphrase must have 1 to %d bytes", passphraseBytesMax)
	}
	return s, nil
}
