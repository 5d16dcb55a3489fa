// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// newcomerBPS is what the line of a newcomer carries upwards.
const newcomerBPS = 4_000_000

// newcomer is a fresh node with a line of its own on an internet where strangers can help it to measure that. Its page is reached
// by way of the test.
func newcomer(t *testing.T) *node {
	t.Helper()
	n := netlab.New(t, 6)
	line := netlab.Line{Delay: 10 * time.Millisecond}
	source := startOn(t, n.Host(t, "source", line, line), "broadcast", filepath.Join(builds, "sweeps"), "--name", studioName)
	seed := fmt.Sprintf("%s:%d", source.host.IPv4(), source.ready.UDP)
	startOn(t, n.Host(t, "other", line, line), "run", "--seed", seed)
	up := line
	up.RateBPS = newcomerBPS
	nd := startOn(t, n.Host(t, "newcomer", up, line), "run", "--seed", seed)
	nd.ready.HTTP = "http://" + tunnel(t, nd.host, strings.Trim(strings.TrimPrefix(nd.ready.HTTP, "http:"), "/")) + "/"
	return &nd.node
}

// A placed is a node on a host of an internet.
type placed struct {
	node
	host *netlab.Host
}

func startOn(t *testing.T, h *netlab.Host, args ...string) *placed {
	t.Helper()
	p := &placed{node{dir: filepath.Join(h.Dir(), h.Name+".d")}, h}
	file := filepath.Join(p.dir, "ready.json")
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	process, err := h.Start(netlab.Command{Name: h.Name, Args: append(append([]string{streamer}, args...), "--data-dir", filepath.Join(p.dir, "data"),
		"--ready-file", file, "--http", "127.0.0.1:0", "--no-open", "--no-lan", "--no-dht", "--no-portmap")})
	if err != nil {
		t.Fatal(err)
	}
	await(t, h.Name+" serves", func() bool {
		select {
		case <-process.Done():
			t.Fatalf("%s ended: its log is %s", h.Name, process.Log)
		default:
		}
		b, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(b, &p.ready) == nil
	})
	return p
}

// tunnel gives an address of this machine whose connections end at an address on a host.
func tunnel(t *testing.T, h *netlab.Host, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // closed
			}
			conns.Go(func() { carry(ctx, near, h, address) })
		}
	})
	t.Cleanup(func() {
		cancel()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		conns.Wait()
	})
	return l.Addr().String()
}

// carry carries one connection until either end closes it, or ctx ends.
func carry(ctx context.Context, near net.Conn, h *netlab.Host, address string) {
	far, err := h.Dial(ctx, "tcp", address)
	if err != nil {
		_ = near.Close() // the browser sees that there is nobody
		return
	}
	shut := func() { _ = errors.Join(near.Close(), far.Close()) } // again is an error, and none
	defer context.AfterFunc(ctx, shut)()
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // until it ends
			shut()
		})
	}
	ways.Wait()
}

// The first start asks nothing, measures by itself, and promises nothing that is not proven.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	nd := newcomer(t)
	v := window(t)
	v.must(v.Call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": `
		window.measured = [];
		addEventListener("DOMContentLoaded", () => {
			const bar = document.querySelector("#welcome-progress"), words = document.querySelector("#welcome-measure");
			new MutationObserver(() => {
				const seen = (bar.checkVisibility() ? "bar: " : "") + words.textContent;
				if (seen !== measured.at(-1)) measured.push(seen);
			}).observe(document.querySelector("#welcome"), {subtree: true, childList: true, attributes: true, characterData: true});
		});
	`}, nil))
	v.show(nd.url("/"))
	v.await(`document.querySelector("#welcome").checkVisibility()`)
	if n := value[int](v, `[...document.querySelectorAll("#welcome input, #welcome select, :invalid")].filter((e) => e.checkVisibility() && e.matches(":not(form, fieldset)")).length`); n > 0 {
		t.Errorf("%d things to fill in", n)
	}
	v.await(`measured.some((w) => w.startsWith("bar: "))`)
	v.await(`!document.querySelector("#welcome-progress").checkVisibility()`)
	v.await(`/\d.*bit\/s/.test(document.querySelector("#welcome-measure").textContent)`)
	mbps := value[float64](v, `Number(document.querySelector("#welcome-measure").textContent.match(/[\d.]+(?= Mbit)/))`)
	if line := float64(newcomerBPS) / 1e6; mbps < line/2 || mbps > line*1.5 { // how exact it is is tested elsewhere
		t.Errorf("of a line of %.0f Mbit/s it says: %s", line, v.text("#welcome-measure"))
	}
	t.Logf("measuring: %q", value[[]string](v, `measured`))
	v.click("#measure-again")
	v.await(`/ten minutes ago.*bit\/s/.test(document.querySelector("#measure-words").textContent)`)
	var status struct {
		First bool   `json:"first_start"`
		Reach string `json:"reachability"`
	}
	if nd.get(t, "/api/v1/status", &status); !status.First {
		t.Error("the node says that this is not its first start")
	}
	green := value[bool](v, `document.querySelector("#welcome-lamp").dataset.lamp === "good" || document.querySelector("#standing .lamp").dataset.lamp === "good"`)
	if proven := status.Reach == "public" || status.Reach == "mapped"; green && !proven {
		t.Errorf("green, though the node is %q", status.Reach)
	}
	if words := v.text("#welcome-reach"); len(words) < 20 {
		t.Errorf("about others reaching it, the welcome says %q", words)
	}
	v.click("#welcome-done")
	v.await(`document.querySelector("#welcome").hidden`)
	await(t, "it was the first start", func() bool {
		nd.get(t, "/api/v1/status", &status)
		return !status.First
	})
	v.show(nd.url("/"))
	v.await(`document.querySelector("#standing-text").textContent !== ""`)
	if value[bool](v, `document.querySelector("#welcome").checkVisibility()`) {
		t.Error("it is welcomed again")
	}
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("the page complains: %q", faults)
	}
}
