// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// settingsBytesMax bounds every file of ours that is read: a key with its settings is below 4 KiB.
const settingsBytesMax = 64 << 10

// DefaultDataDir is where a user's keys and settings live: $XDG_DATA_HOME/streamer or ~/.local/share/streamer,
// %LocalAppData%\Streamer, ~/Library/Application Support/Streamer.
func DefaultDataDir() (string, error) {
	switch runtime.GOOS {
	case "windows", "darwin", "ios":
		dir, err := os.UserConfigDir()
		if runtime.GOOS == "windows" {
			dir, err = os.UserCacheDir() // %LocalAppData%: secrets don't roam
		}
		if err != nil {
			return "", fmt.Errorf("find the user's data directory (name one with --data-dir): %w", err)
		}
		return filepath.Join(dir, "Streamer"), nil
	}
	// XDG base directory specification: a relative path is to be ignored.
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "streamer"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the user's data directory (name one with --data-dir): %w", err)
	}
	return filepath.Join(home, ".local", "share", "streamer"), nil
}

// makePrivateDir makes a directory that only its user may enter, and its parents.
func makePrivateDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { // the user's own directories
		return fmt.Errorf("make the directory above %s: %w", dir, err)
	}
	err := os.Mkdir(dir, 0o700)
	if err == nil || errors.Is(err, fs.ErrExist) {
		var info fs.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file, not a directory", dir)
		}
	}
	if err != nil {
		return fmt.Errorf("make the directory %s: %w", dir, err)
	}
	return nil
}

// writeFileAtomic puts data at path so that after a crash there is the old content or the new, never a part: a file beside
// it, synced, then renamed, then the directory synced. With replace false an existing file is an error (fs.ErrExist).
func writeFileAtomic(path string, data []byte, mode fs.FileMode, replace bool) (err error) {
	dir, name := filepath.Split(path)
	f, err := os.CreateTemp(dir, "."+name+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if err = f.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if !replace {
		if err = reserve(path, mode); err != nil {
			return err
		}
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// reserve makes an empty file that must not have existed. A rename alone would replace one.
func reserve(path string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err // writeFileAtomic wraps
	}
	return f.Close() // likewise
}

// syncDir makes a rename last. Windows has no such call and needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if dir == "" {
		dir = "."
	}
	d, err := os.Open(dir)
	if err != nil {
		return err // writeFileAtomic wraps
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// readFileBounded reads a file of at most max bytes.
func readFileBounded(path string, bytesMax int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // names the file already
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, bytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(data)) > bytesMax {
		return nil, fmt.Errorf("%s is larger than %d bytes: it is no file of ours", path, bytesMax)
	}
	return data, nil
}
