// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// nodeKeyFile holds the seed of a node that keeps its identity: 64 hexadecimal digits. Everybody else's is new at each start,
// so that nobody can follow a listener over days.
const nodeKeyFile = "node.key"

// keptNodeSeed reads the seed of the node's key from the data directory, and makes it when there is none.
func keptNodeSeed(dir string, random io.Reader) (seed [32]byte, err error) {
	path := filepath.Join(dir, nodeKeyFile)
	b, err := os.ReadFile(path)
	if err == nil {
		if b = bytes.TrimSpace(b); len(b) == hex.EncodedLen(len(seed)) {
			if _, err = hex.Decode(seed[:], b); err == nil {
				return seed, nil
			}
		}
		return seed, fmt.Errorf("%s holds no node key: put the right file back, or remove it to begin with a new identity", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return seed, fmt.Errorf("read the node's key: %w", err)
	}
	if _, err = io.ReadFull(random, seed[:]); err != nil {
		return seed, fmt.Errorf("draw the node's key: %w", err)
	}
	if err = makePrivateDir(dir); err != nil {
		return seed, err
	}
	return seed, writeFileAtomic(path, append([]byte(hex.EncodeToString(seed[:])), '\n'), 0o600, false)
}
