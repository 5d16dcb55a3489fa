// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// TestRouters proves that every kind of router is what it is called, alone and behind a carrier.
func TestRouters(t *testing.T) {
	n := netlab.New(t, 1)
	began := time.Now()
	type arm struct {
		name       string
		host, mate *netlab.Host
		want       netlab.Behaviour
	}
	var arms []arm
	add := func(name string, c netlab.HomeConfig) {
		h := n.Home(t, name, c)
		arms = append(arms, arm{name, h.Host(t, name+" host"), h.Host(t, name+" mate"), h.Behaviour()})
	}
	carriers := map[bool]*netlab.Home{}
	for _, hairpin := range []bool{false, true} {
		carriers[hairpin] = n.Carrier(t, fmt.Sprintf("carrier %v", hairpin), netlab.HomeConfig{Kind: netlab.RandomPort, Hairpin: hairpin})
		for _, k := range netlab.Kinds() {
			add(fmt.Sprintf("%v, hairpin %v", k, hairpin), netlab.HomeConfig{Kind: k, Hairpin: hairpin})
			if k.HasIPv4() && k != netlab.Public {
				add(fmt.Sprintf("carrier over %v, hairpin %v", k, hairpin), netlab.HomeConfig{Kind: k, Carrier: carriers[hairpin]})
			}
		}
	}
	a, b := n.Host(t, "a", netlab.Line{}, netlab.Line{}), n.Host(t, "b", netlab.Line{}, netlab.Line{})
	t.Logf("%d homes after %v", len(arms), time.Since(began).Round(time.Millisecond))
	all(t, len(arms), func(i int) error {
		p, err := netlab.NewProber(a, b)
		if err != nil {
			return err
		}
		defer p.Close()
		got, err := p.Behaviour(arms[i].host, arms[i].mate)
		if err != nil {
			return fmt.Errorf("%s: %w", arms[i].name, err)
		}
		if got != arms[i].want {
			return fmt.Errorf("%s: it behaves as %+v, want %+v", arms[i].name, got, arms[i].want)
		}
		return nil
	})
}

// all runs probes at the same time: they do little but wait.
func all(t *testing.T, count int, probe func(i int) error) {
	t.Helper()
	errs := make([]error, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() { errs[i] = probe(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestMappingTimeout looks how long mappings live.
func TestMappingTimeout(t *testing.T) {
	const timeout = 4 * time.Second
	n := netlab.New(t, 1)
	a, b := n.Host(t, "a", netlab.Line{}, netlab.Line{}), n.Host(t, "b", netlab.Line{}, netlab.Line{})
	type arm struct {
		kind  netlab.Kind
		host  *netlab.Host
		pause time.Duration
		lives bool
	}
	var arms []arm
	for _, k := range netlab.Kinds() {
		if k.HasIPv4() && k != netlab.Public {
			h := n.Home(t, k.String(), netlab.HomeConfig{Kind: k, Timeout: timeout}).Host(t, k.String()+" host")
			arms = append(arms, arm{k, h, timeout / 2, true}, arm{k, h, timeout * 3 / 2, false})
		}
	}
	all(t, len(arms), func(i int) error {
		arm := arms[i]
		p, err := netlab.NewProber(a, b)
		if err != nil {
			return err
		}
		defer p.Close()
		got, err := p.Lives(arm.host, arm.pause)
		if err != nil {
			return fmt.Errorf("%v: %w", arm.kind, err)
		}
		if got != arm.lives {
			return fmt.Errorf("%v: a mapping of %v lives after %v: %v, want %v", arm.kind, timeout, arm.pause, got, arm.lives)
		}
		return nil
	})
}

// TestMappedPorts proves that a router maps ports for who asks, and behaves as its kind for everybody else; also after a restart,
// and at another address.
func TestMappedPorts(t *testing.T) {
	n := netlab.New(t, 1)
	a, b := n.Host(t, "a", netlab.Line{}, netlab.Line{}), n.Host(t, "b", netlab.Line{}, netlab.Line{})
	p, err := netlab.NewProber(a, b)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, k := range []netlab.Kind{netlab.PortRestricted, netlab.SymmetricRandom} {
		home := n.Home(t, k.String(), netlab.HomeConfig{Kind: k, MapPorts: true})
		host, mate := home.Host(t, k.String()+" host"), home.Host(t, k.String()+" mate")
		for _, event := range []struct {
			name   string
			happen func() error
		}{
			{"at first", func() error { return nil }},
			{"after a restart", func() error { return home.Reboot(false) }},
			{"at another address", home.Renumber},
		} {
			if err := event.happen(); err != nil {
				t.Fatalf("%v: %s: %v", k, event.name, err)
			}
			outside, open, err := p.Maps(host)
			if err != nil || !open {
				t.Fatalf("%v: %s: mapped %v, a stranger gets in: %v, error %v", k, event.name, outside, open, err)
			}
			if got, err := p.Behaviour(host, mate); err != nil || got != home.Behaviour() {
				t.Errorf("%v: %s: it behaves as %+v, want %+v, error %v", k, event.name, got, home.Behaviour(), err)
			}
		}
	}
}
