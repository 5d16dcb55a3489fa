// SPDX-License-Identifier: MIT

package desktop

import (
	"errors"

	"golang.org/x/sys/windows/registry"
)

// readValue reads a text of the user; ok is false when there is none, or something that is no text.
func readValue(key, name string) (text string, ok bool, err error) {
	k, err := registry.OpenKey(registry.CURRENT_USER, key, registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer func() { _ = k.Close() }()
	text, _, err = k.GetStringValue(name)
	if errors.Is(err, registry.ErrNotExist) || errors.Is(err, registry.ErrUnexpectedType) {
		return "", false, nil
	}
	return text, err == nil, err
}

// writeValue writes a text, and makes the keys above it.
func writeValue(key, name, text string) error {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, key, registry.SET_VALUE)
	if err != nil {
		return err
	}
	return errors.Join(k.SetStringValue(name, text), k.Close())
}

func deleteValue(key, name string) error {
	k, err := registry.OpenKey(registry.CURRENT_USER, key, registry.SET_VALUE)
	if err != nil {
		return err
	}
	return errors.Join(k.DeleteValue(name), k.Close())
}

// deleteEmptyKey removes a key that holds nothing.
func deleteEmptyKey(key string) error {
	k, err := registry.OpenKey(registry.CURRENT_USER, key, registry.QUERY_VALUE|registry.ENUMERATE_SUB_KEYS)
	if errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := k.Stat()
	if err = errors.Join(err, k.Close()); err != nil {
		return err
	}
	if info.SubKeyCount > 0 || info.ValueCount > 0 {
		return nil
	}
	return registry.DeleteKey(registry.CURRENT_USER, key)
}
