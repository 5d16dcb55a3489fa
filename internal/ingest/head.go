// SPDX-License-Identifier: MIT

package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Bounds of a request head.
const (
	headBytesMax  = 16 << 10 // first line and header lines, with line ends
	headFieldsMax = 100
)

// dialect is the protocol that a connection's first bytes speak.
type dialect uint8

const (
	dialectHTTP      dialect = iota + 1 // METHOD target HTTP/1.x
	dialectXAudio                       // SOURCE password /mount
	dialectShoutcast                    // a line with nothing but the password; header lines come after OK2
	dialectUltravox                     // SHOUTcast v2
)

var (
	errHeadLarge  = errors.New("request head is larger than 16 KiB or has more than 100 lines")
	errHeadBinary = errors.New("audio without a login: set the tool to an Icecast 2 or SHOUTcast v1 server")
	errHeadLength = errors.New("Content-Length is not a number")
)

// A head is the first part of a request. Field names are lower case; of equal names the first counts.
type head struct {
	dialect  dialect
	method   string // dialectHTTP
	target   string // dialectHTTP: as sent, perhaps with raw UTF-8; dialectXAudio: the mount
	password string // dialectXAudio, dialectShoutcast
	fields   map[string]string
}

// readHead reads what a client says before its audio: never more than headBytesMax bytes. A dialectShoutcast head has no
// fields yet: the client may wait for OK2 before it sends them (readFields).
func readHead(r *bufio.Reader) (head, error) {
	first, err := r.Peek(1)
	if err != nil {
		return head{}, err
	}
	switch {
	case first[0] == 0x5A: // "Z": Ultravox, or a password
		if b, peekErr := r.Peek(2); peekErr == nil && b[1] < ' ' && b[1] != '\r' && b[1] != '\n' {
			return head{dialect: dialectUltravox}, nil
		}
	case first[0] >= 0xF0: // an MPEG or ADTS sync; no UTF-8 text of a method begins so
		return head{}, errHeadBinary
	}
	budget := headBytesMax
	line, err := readLine(r, &budget)
	if err != nil {
		return head{}, err
	}
	h, err := parseFirstLine(line)
	if err != nil || h.dialect == dialectShoutcast {
		return h, err
	}
	h.fields, err = readFields(r, &budget)
	return h, err
}

// parseFirstLine takes the line without its end.
func parseFirstLine(line string) (head, error) {
	if strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' }) {
		return head{}, errHeadBinary
	}
	if method, rest, ok := strings.Cut(line, " "); ok && isMethod(method) {
		if i := strings.LastIndex(rest, " HTTP/"); i >= 0 {
			return head{dialect: dialectHTTP, method: method, target: strings.TrimSpace(rest[:i])}, nil
		}
		if i := strings.LastIndex(rest, " /"); method == "SOURCE" && i >= 0 {
			return head{dialect: dialectXAudio, password: rest[:i], target: rest[i+1:]}, nil
		}
	}
	return head{dialect: dialectShoutcast, password: strings.TrimSpace(line)}, nil
}

func isMethod(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return s != "" && len(s) <= 16
}

// readFields reads "name: value" lines up to the empty one. Lines that are none are skipped, but count.
func readFields(r *bufio.Reader, budget *int) (map[string]string, error) {
	fields := make(map[string]string)
	for range headFieldsMax {
		line, err := readLine(r, budget)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return fields, nil
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, seen := fields[name]; ok && !seen {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return nil, errHeadLarge
}

// readLine returns a line without LF or CRLF and takes its length from the budget.
func readLine(r *bufio.Reader, budget *int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if *budget -= len(part); *budget < 0 {
			return "", errHeadLarge
		}
		line = append(line, part...)
		if err == nil {
			return string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))), nil
		}
		if errors.Is(err, io.EOF) && len(line) > 0 {
			return "", io.ErrUnexpectedEOF
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// audioFollows tells whether the next bytes are audio and not header lines: some SHOUTcast v1 sources send none.
func audioFollows(r *bufio.Reader) bool {
	b, err := r.Peek(1)
	if err != nil || (b[0] != 0xFF && b[0] != 'O' && b[0] != 'I') {
		return false
	}
	if b[0] == 0xFF {
		return true
	}
	b, err = r.Peek(4)
	return err == nil && (string(b) == "OggS" || string(b[:3]) == "ID3" && b[3] < ' ')
}

// expectsContinue: the client waits for "100 Continue" before it sends a body.
func (h head) expectsContinue() bool {
	return strings.EqualFold(h.fields["expect"], "100-continue")
}

// chunked tells whether the body is in chunks; any other coding but identity is an error of ours to report.
func (h head) chunked() (bool, error) {
	switch coding := strings.ToLower(h.fields["transfer-encoding"]); coding {
	case "", "identity":
		return false, nil
	case "chunked":
		return true, nil
	default:
		return false, errors.New("transfer encoding " + strconv.Quote(coding) + " is not supported: use chunked or none")
	}
}

// contentLength is 0 when the source says none, or says 0 as libshout does: both mean "until I close".
func (h head) contentLength() (int64, error) {
	text := h.fields["content-length"]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, errHeadLength
	}
	return n, nil
}

// hasBody tells whether the client may send bytes that are not another request, whatever it is answered.
func (h head) hasBody() bool {
	length, err := h.contentLength()
	chunked, _ := h.chunked()
	return err != nil || length > 0 || chunked
}
