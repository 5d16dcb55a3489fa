// SPDX-License-Identifier: MIT

package identity_test

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"streamer/internal/identity"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 7748 section 6.1, Alice.
func TestNodeKeyVector(t *testing.T) {
	key := identity.NewNodeKey([32]byte(unhex(t, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")))
	public := unhex(t, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
	if id := key.Public(); !bytes.Equal(id[:], public) {
		t.Errorf("public key %x, want %x", id, public)
	}
}

// RFC 8032 section 7.1, test 3.
func TestStationKeyVector(t *testing.T) {
	seed := [32]byte(unhex(t, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"))
	key := identity.NewStationKey(seed)
	public := unhex(t, "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
	id := key.ID()
	if !bytes.Equal(id[:], public) {
		t.Errorf("public key %x, want %x", id, public)
	}
	if key.Seed() != seed {
		t.Error("the seed does not come back")
	}
	message := unhex(t, "af82")
	signature := unhex(t, "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"+
		"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
	if got := key.Sign(message); !bytes.Equal(got, signature) {
		t.Errorf("signature %x, want %x", got, signature)
	}
	if !id.Verify(message, signature) {
		t.Error("the signature is refused")
	}
	for i := range signature {
		forged := bytes.Clone(signature)
		forged[i] ^= 1
		if id.Verify(message, forged) || id.Verify(message, signature[:i]) {
			t.Errorf("a signature altered or cut at byte %d is accepted", i)
		}
	}
	if id.Verify([]byte{0xaf, 0x83}, signature) || id.Verify(message, append(signature, 0)) || id.Verify(nil, nil) {
		t.Error("a wrong signature is accepted")
	}
	if (identity.StationID{}).Verify(message, signature) {
		t.Error("the zero id accepts a signature")
	}
}

func TestIDText(t *testing.T) {
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	for _, raw := range [][32]byte{{}, {0: 1}, {31: 1}, {31: 0xff}, [32]byte(bytes.Repeat([]byte{0xff}, 32)), [32]byte(bytes.Repeat([]byte{0x5a}, 32))} {
		want := strings.ToLower(encoding.EncodeToString(raw[:]))
		node, station := identity.NodeID(raw), identity.StationID(raw)
		if node.String() != want || station.String() != want || len(want) != 52 {
			t.Errorf("%x is %s and %s, want %s", raw, node, station, want)
		}
		for _, text := range []string{want, strings.ToUpper(want)} {
			gotNode, err1 := identity.ParseNodeID(text)
			gotStation, err2 := identity.ParseStationID(text)
			if gotNode != node || gotStation != station || err1 != nil || err2 != nil {
				t.Errorf("%s: %v, %v; %v, %v", text, gotNode, err1, gotStation, err2)
			}
		}
		if node.IsZero() != (raw == [32]byte{}) || station.IsZero() != (raw == [32]byte{}) {
			t.Errorf("%x is zero: %v, %v", raw, node.IsZero(), station.IsZero())
		}
		encoded, err := json.Marshal([]any{node, station})
		var back struct{ pair [2]identity.StationID }
		if err2 := json.Unmarshal(encoded, &back.pair); err != nil || err2 != nil || back.pair[1] != station {
			t.Errorf("JSON %s: %v, %v", encoded, err, err2)
		}
	}
}

func TestIDRefusals(t *testing.T) {
	good := identity.StationID{1, 2, 3}.String()
	for _, c := range []struct{ text, want string }{
		{"", "station id must have 52 characters"},
		{good[:51], "station id must have 52 characters"},
		{good + "a", "station id must have 52 characters"},
		{"1" + good[1:], "station id may hold only the letters a-z and the digits 2-7"},
		{good[:51] + "=", "station id may hold only the letters a-z and the digits 2-7"},
		{good[:51] + "b", "station id ends in an impossible character: it was cut or mistyped"},
	} {
		if _, err := identity.ParseStationID(c.text); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
		var id identity.NodeID
		if err := id.UnmarshalText([]byte(c.text)); err == nil || !id.IsZero() {
			t.Errorf("%q: node id %v, %v", c.text, id, err)
		}
	}
}

// What is accepted is written again as it was, in lower case.
func FuzzParseID(f *testing.F) {
	f.Add(identity.StationID{1, 2, 3}.String())
	f.Add(strings.ToUpper(identity.NodeID{31: 0xff}.String()))
	f.Fuzz(func(t *testing.T, text string) {
		node, err1 := identity.ParseNodeID(text)
		station, err2 := identity.ParseStationID(text)
		if (err1 == nil) != (err2 == nil) || identity.StationID(node) != station {
			t.Errorf("%q: %v, %v; %v, %v", text, node, err1, station, err2)
		}
		if want := strings.ToLower(text); err1 == nil && (node.String() != want || station.String() != want) {
			t.Errorf("%q is written as %v", text, node)
		}
	})
}

func TestCompare(t *testing.T) {
	a, b := identity.NodeID{1}, identity.NodeID{1, 1}
	if a.Compare(b) != -1 || b.Compare(a) != 1 || a.Compare(a) != 0 {
		t.Error("ids are not in the order of their bytes")
	}
}

// However a key is printed, logged or encoded, alone or inside something else, the secret does not show.
func TestSecretsStaySecret(t *testing.T) {
	var seed [32]byte
	copy(seed[:], "SECRETSECRETSECRETSECRETSECRETSE")
	node, station := identity.NewNodeKey(seed), identity.NewStationKey(seed)
	type hidden struct {
		Node    identity.NodeKey
		station identity.StationKey
		pointer *identity.StationKey
		list    []any
	}
	inside := hidden{node, station, &station, []any{node, &station, map[string]any{"k": station}}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%o"} {
		fmt.Fprintf(&out, verb, node)
		fmt.Fprintf(&out, verb, &node)
		fmt.Fprintf(&out, verb, station)
		fmt.Fprintf(&out, verb, &station)
		fmt.Fprintf(&out, verb, inside)
		fmt.Fprintf(&out, verb, &inside)
		fmt.Fprintf(&out, verb, []hidden{inside})
	}
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		logger.Info("keys", "node", node, "station", station, "inside", inside, "pointer", &inside)
	}
	encoded, err := json.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	fmt.Fprintln(&out, node, station, inside, fmt.Errorf("key %v: %w", station, err))

	got := strings.ToLower(out.String())
	digits := fmt.Sprint(seed[:4]) // [83 69 67 82
	for _, leak := range []string{"secretsecret", hex.EncodeToString(seed[:4]), strings.Trim(digits, "[]"), "0x53, 0x45", "u0vduk"} {
		if at := strings.Index(got, leak); at >= 0 {
			t.Errorf("the secret shows: %s", got[max(0, at-40):min(len(got), at+60)])
		}
	}
	if !strings.Contains(got, "nodekey("+node.Public().Short()) || !strings.Contains(got, "stationkey("+station.ID().Short()) {
		t.Errorf("nothing tells which key it is: %s", got)
	}
}
