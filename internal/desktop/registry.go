// SPDX-License-Identifier: MIT

package desktop

import (
	"fmt"
	"slices"
	"strings"
)

// A setting is values below one key of HKEY_CURRENT_USER.
type setting struct {
	what   string
	key    string // of the topmost
	shared bool   // the key is everybody's, and stays
	values []value
}

// A value is a text in the registry.
type value struct {
	below string // the setting's key; "" in it
	name  string // "" is the key's default
	text  string
}

// String implements Item.
func (s setting) String() string { return s.what + `: HKEY_CURRENT_USER\` + s.key }

// Install implements Item.
func (s setting) Install(dry bool) (changed bool, err error) {
	for _, v := range s.values {
		there, ok, err := readValue(s.path(v.below), v.name)
		if err != nil {
			return changed, fmt.Errorf("read the registry: %w", err)
		}
		if ok && there == v.text {
			continue
		}
		changed = true
		if dry {
			continue
		}
		if err := writeValue(s.path(v.below), v.name, v.text); err != nil {
			return true, fmt.Errorf("write to the registry: %w", err)
		}
	}
	return changed, nil
}

// Remove implements Item. Keys go when nothing of others is in them.
func (s setting) Remove(dry bool) (changed bool, err error) {
	for _, v := range s.values {
		_, ok, err := readValue(s.path(v.below), v.name)
		if err != nil {
			return changed, fmt.Errorf("read the registry: %w", err)
		}
		if !ok {
			continue
		}
		changed = true
		if dry {
			continue
		}
		if err := deleteValue(s.path(v.below), v.name); err != nil {
			return true, fmt.Errorf("write to the registry: %w", err)
		}
	}
	if dry || s.shared {
		return changed, nil
	}
	for _, key := range s.keys() {
		if err := deleteEmptyKey(key); err != nil {
			return changed, fmt.Errorf("remove a key from the registry: %w", err)
		}
	}
	return changed, nil
}

func (s setting) path(below string) string {
	if below == "" {
		return s.key
	}
	return s.key + `\` + below
}

// keys are those of the setting, what is below first.
func (s setting) keys() []string {
	keys := []string{s.key}
	for _, v := range s.values {
		path := s.key
		for part := range strings.SplitSeq(v.below, `\`) {
			if part != "" {
				path += `\` + part
				keys = append(keys, path)
			}
		}
	}
	slices.Sort(keys) // what is below is longer, and after
	keys = slices.Compact(keys)
	slices.Reverse(keys)
	return keys
}
