// SPDX-License-Identifier: MIT

package desktop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fileBytesMax bounds a file that is read to be compared or changed.
const fileBytesMax = 1 << 20

// A file is one that is ours alone.
type file struct {
	what string
	path string
	data []byte
}

// String implements Item.
func (f file) String() string { return f.what + ": " + f.path }

// Install implements Item.
func (f file) Install(dry bool) (changed bool, err error) {
	there, err := readFile(f.path)
	if err == nil && bytes.Equal(there, f.data) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if dry {
		return true, nil
	}
	return true, writeFile(f.path, f.data)
}

// Remove implements Item.
func (f file) Remove(dry bool) (changed bool, err error) {
	if _, err = os.Lstat(f.path); err == nil && !dry {
		err = os.Remove(f.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// readFile reads a file of at most fileBytesMax.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err == nil && len(b) > fileBytesMax {
		err = fmt.Errorf("%s is larger than %d bytes: nothing of it was changed", path, fileBytesMax)
	}
	return b, err
}

// writeFile puts a file in place at once, and makes the directories above it. What a symbolic link names is written, and the
// link stays: people keep their settings elsewhere.
func writeFile(path string, data []byte) (err error) {
	if to, linked := filepath.EvalSymlinks(path); linked == nil {
		path = to
	}
	dir, base := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, there := os.Stat(path); there == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
