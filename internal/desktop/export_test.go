// SPDX-License-Identifier: MIT

package desktop

var (
	Associate  = associate
	Dissociate = dissociate

	OpensDigits = opensDigits
)

// Values are the registry's values of a list for Windows, as "KEY|NAME" and text.
func Values(items []Item) map[string]string {
	values := map[string]string{}
	for _, it := range items {
		if s, ok := it.(setting); ok {
			for _, v := range s.values {
				values[s.path(v.below)+"|"+v.name] = v.text
			}
		}
	}
	return values
}

// Keys are the registry's keys that go when they are empty, in order.
func Keys(items []Item) (keys []string) {
	for _, it := range items {
		if s, ok := it.(setting); ok && !s.shared {
			keys = append(keys, s.keys()...)
		}
	}
	return keys
}

// Icon is the icon among the items for Windows.
func Icon(items []Item) []byte { return items[0].(file).data }

// Applet is how the applet for macOS is made.
func Applet(items []Item) (script string, commands [][]string, icon []byte) {
	a := items[0].(applet)
	return a.script, a.commands("/Streamer.app"), a.icon
}

// LaunchAgent is the start at login on macOS.
func LaunchAgent(items []Item) []byte { return items[1].(file).data }
