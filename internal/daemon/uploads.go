// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"streamer/internal/mono"
	"streamer/internal/node"
)

// uploadsFile is the name of the file in the data directory that says what each network carried upwards.
const uploadsFile = "upload.json"

const (
	uploadsMax      = 32
	uploadsBytesMax = 64 << 10
	uploadsKept     = 30 * 24 * time.Hour
	uploadsLook     = 10 * time.Second // for another network
	uploadsSave     = 5 * time.Minute
	networkBits4    = 24 // of the outside address: one provider's customers have others tomorrow
	networkBits6    = 48
)

// A learnedUpload is what a node behind outside addresses of one network sent without harm.
type learnedUpload struct {
	Network netip.Prefix `json:"network"`
	BPS     int64        `json:"bps"`
	At      time.Time    `json:"at"`
}

// uploads remembers the measured upload of networks.
type uploads struct {
	loop  *loop
	log   *slog.Logger
	path  string // "": nothing is kept
	list  []learnedUpload
	now   netip.Prefix // the network that the node is in
	saved time.Time
}

// newUploads reads what earlier runs kept. A damaged file is left as it is, and this run keeps nothing. Nor does one with a cap.
func newUploads(l *loop, o *Options, log *slog.Logger) *uploads {
	u := &uploads{loop: l, log: log, saved: time.Now()}
	if o.Record != "" || o.UploadBPS != node.UploadAuto {
		return u
	}
	dir, err := o.dataDir()
	if err == nil {
		u.path = filepath.Join(dir, uploadsFile)
		u.list, err = readUploads(u.path)
	}
	if err != nil {
		u.path = ""
		log.Warn("upload neither remembered nor kept", keyError, err)
	}
	return u
}

// readUploads reads the file; that there is none is no error.
func readUploads(path string) (list []learnedUpload, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the upload: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(file, uploadsBytesMax+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read the upload: %w", err)
	}
	if len(b) > uploadsBytesMax {
		return nil, fmt.Errorf("%s: longer than %d bytes (remove it, and the node measures again)", path, uploadsBytesMax)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%s: %w (remove it, and the node measures again)", path, err)
	}
	return slices.DeleteFunc(list, func(l learnedUpload) bool {
		return !l.Network.IsValid() || l.BPS <= 0 || time.Since(l.At) > uploadsKept
	}), nil
}

// run ends with ctx, and keeps what is known then.
func (u *uploads) run(ctx context.Context) {
	if u.path == "" {
		return
	}
	tick := time.NewTicker(uploadsLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
			u.look(end)
			u.save()
			cancel()
			return
		case <-tick.C:
			if u.look(ctx); time.Since(u.saved) >= uploadsSave {
				u.save()
			}
		}
	}
}

// look notes what the network that the node is in carries, and tells the node when that is one that it was in before.
func (u *uploads) look(ctx context.Context) {
	var s node.Status
	if err := u.loop.ask(ctx, func(n *node.Node, now mono.Time) { s = n.Status(now) }); err != nil {
		return
	}
	network := networkOf(s.Reach.Outside4.Addr(), s.Reach.Outside6.Addr())
	if !network.IsValid() {
		return
	}
	i := slices.IndexFunc(u.list, func(l learnedUpload) bool { return l.Network == network })
	if network != u.now {
		moved := u.now.IsValid() // what is measured is another line's
		u.now = network
		c := node.LearnedUploadCommand{}
		if i >= 0 {
			c.BPS = u.list[i].BPS
		}
		if (moved || c.BPS > 0) && u.loop.do(ctx, c) == nil && c.BPS > 0 {
			u.log.Info("upload remembered", keyBPS, c.BPS)
		}
		return
	}
	if s.Upload.MeasuredBPS == 0 || s.Upload.BudgetBPS != node.UploadAuto {
		return // below a cap nobody learns what the line carries
	}
	if i >= 0 {
		u.list = slices.Delete(u.list, i, i+1)
	}
	u.list = append(u.list, learnedUpload{network, s.Upload.MeasuredBPS, time.Now().UTC().Truncate(time.Second)})
	if len(u.list) > uploadsMax {
		u.list = u.list[1:]
	}
}

// networkOf is the network of an outside address: IPv4 before IPv6.
func networkOf(ip4, ip6 netip.Addr) netip.Prefix {
	if ip4.IsValid() {
		return netip.PrefixFrom(ip4, networkBits4).Masked()
	}
	return netip.PrefixFrom(ip6, networkBits6).Masked() // zero without an address
}

func (u *uploads) save() {
	u.saved = time.Now()
	if len(u.list) == 0 {
		return
	}
	b, err := json.MarshalIndent(u.list, "", " ")
	if err == nil {
		err = makePrivateDir(filepath.Dir(u.path))
	}
	if err == nil {
		err = writeFileAtomic(u.path, append(b, '\n'), 0o600, true)
	}
	if err != nil {
		u.log.Warn("upload not saved", keyError, err)
	}
}
