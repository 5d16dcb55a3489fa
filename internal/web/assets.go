// SPDX-License-Identifier: MIT

package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var embedded embed.FS

// pageFile is what is served at /.
const pageFile = "page.html"

// assetTypes says what is served out of the folder, by extension. Browsers are told not to guess (nosniff).
var assetTypes = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".svg":   "image/svg+xml",
	".json":  "application/json",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

// An asset is one embedded file as it goes out.
type asset struct {
	mime         string
	plain        []byte
	zipped       []byte // nil: not worth it
	tag, zipping string // ETags of the two, in quotes
}

// newAssets reads the folder. HTML files are templates (html/template) of the Server, for its Token.
func newAssets(s *Server) map[string]*asset {
	files := make(map[string]*asset)
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		mime := assetTypes[path.Ext(name)]
		if err != nil || d.IsDir() || mime == "" {
			return err
		}
		b, err := embedded.ReadFile(name)
		if err == nil && path.Ext(name) == ".html" {
			b, err = fill(b, s)
		}
		files[strings.TrimPrefix(name, "assets/")] = newAsset(mime, b)
		return err
	})
	if err != nil {
		panic("web: " + err.Error()) // embedded: a test would have failed
	}
	return files
}

func fill(page []byte, s *Server) ([]byte, error) {
	t, err := template.New("page").Parse(string(page))
	if err != nil {
		return nil, err // names the line
	}
	var b bytes.Buffer
	err = t.Execute(&b, s)
	return b.Bytes(), err
}

func newAsset(mime string, b []byte) *asset {
	sum := sha256.Sum256(b)
	tag := base64.RawURLEncoding.EncodeToString(sum[:9])
	a := &asset{mime: mime, plain: b, tag: `"` + tag + `"`, zipping: `"` + tag + `-gzip"`}
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	_, _ = w.Write(b) // into memory
	_ = w.Close()
	if z.Len() < len(b)*9/10 {
		a.zipped = z.Bytes()
	}
	return a
}

// ServeHTTP answers with the file, or that the browser has it. It is asked each time, so that a new version shows at once.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.mime)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	body, tag := a.plain, a.tag
	if a.zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, tag = a.zipped, a.zipping
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reads an Accept-Encoding. Weights are of no interest but for 0, a refusal.
func acceptsGzip(accepted string) bool {
	for part := range strings.SplitSeq(accepted, ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			weight = strings.ReplaceAll(weight, " ", "")
			return !strings.HasPrefix(weight, "q=0") || strings.Trim(weight, "q=0.") != ""
		}
	}
	return false
}

// serveAsset serves /assets/NAME.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) {
	if a := s.assets[r.PathValue("name")]; a != nil {
		a.ServeHTTP(w, r)
		return
	}
	fail(w, http.StatusNotFound, "there is no such file")
}
