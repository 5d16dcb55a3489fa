// SPDX-License-Identifier: MIT

package reach_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"streamer/internal/reach"
)

func TestWords(t *testing.T) {
	at4, at6 := netip.MustParseAddrPort("93.184.216.34:8466"), netip.MustParseAddrPort("[2a00::1]:8466")
	for _, c := range []struct {
		s               reach.Standing
		summary, advice string // parts
	}{
		{reach.Standing{}, "No node beyond your network has answered yet", "firewall lets UDP out"},
		{reach.Standing{Outside4: at4, Mapping: eim}, "not known yet", "Nothing to do"},
		{reach.Standing{Verdict: reach.VerdictPublic, Filtering: eim, Outside4: at4}, "Others reach you directly.", "Nothing to do."},
		{reach.Standing{Verdict: reach.VerdictPublic, Filtering: apdm, Outside4: at4, Outside6: at6}, "over IPv6, and by introduction over IPv4", "Nothing"},
		{reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: eim, Outside4: at4}, "Your router hides you; others reach you by introduction.", "Nothing to do. To be reached directly, turn on UPnP"},
		{reach.Standing{Verdict: reach.VerdictHidden, Mapping: eim, Outside4: at4, PortKept: true}, "A firewall hides you", "let UDP port 8466 in"},
		{reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Step: 1, Outside4: at4}, "(symmetric NAT); the ports are in order", "UPnP"},
		{reach.Standing{Verdict: reach.VerdictHidden, Translated: true, Mapping: apdm, Random: true, Outside4: at4}, "only those reach you", "forward a UDP port"},
		{reach.Standing{Verdict: reach.VerdictHidden, Carrier: true, Translated: true, Mapping: eim, Outside4: at4}, "(carrier-grade NAT); others reach you", "IPv6 would"},
		{reach.Standing{Verdict: reach.VerdictHidden, Carrier: true, Translated: true, Mapping: adm, Outside4: at4}, "(carrier-grade NAT) and gives", "cannot change"},
		{reach.Standing{Verdict: reach.VerdictHidden}, "by introduction only", "Nothing"},
	} {
		summary, advice := c.s.Words()
		if !strings.Contains(summary, c.summary) || !strings.Contains(advice, c.advice) {
			t.Errorf("%+v:\n%s\n%s", c.s, summary, advice)
		}
		if c.s.Verdict != reach.VerdictPublic && strings.Contains(summary, "directly") && !strings.Contains(summary, "not known") {
			t.Errorf("%+v: no proof, and yet %q", c.s, summary)
		}
	}
}

func TestLifetimeWords(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		s    reach.Standing
		want string
	}{
		{reach.Standing{}, "It is not known yet how long your router keeps a silent path open."},
		{reach.Standing{Verdict: reach.VerdictPublic}, "Nothing has to be kept open: others reach you directly."},
		{reach.Standing{Lifetime: 28 * s, Expiry: 40 * s}, "Your router keeps a silent path open for 28 s, and forgets it within 40 s."},
		{reach.Standing{Lifetime: 290 * s}, "Your router keeps a silent path open for 290 s at least."},
		{reach.Standing{Expiry: 8 * s}, "Your router forgets a silent path within 8 s."},
	} {
		if got := c.s.LifetimeWords(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{reach.VerdictUnknown.String(), "unknown"}, {reach.VerdictPublic.String(), "public"}, {reach.VerdictHidden.String(), "hidden"},
		{reach.BehaviourUnknown.String(), "unknown"}, {eim.String(), "endpoint-independent"},
		{adm.String(), "address-dependent"}, {apdm.String(), "address and port-dependent"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
