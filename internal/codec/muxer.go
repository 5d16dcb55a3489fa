// SPDX-License-Identifier: MIT

package codec

// A Muxer makes the bytes that one player takes from the moment it joined. Every method appends to dst and returns it; a
// call may append nothing (a page or cluster is not full yet). Granule positions and timecodes begin at 0 and run on over
// gaps and joined links.
type Muxer interface {
	Start(dst []byte) []byte          // what comes before the first frame: headers, with the title in them
	Frame(dst []byte, f Frame) []byte // f.Data is copied
	Flush(dst []byte) []byte          // ends a pending page or cluster early
	Gap(dst []byte) []byte            // frames are missing here
	End(dst []byte) []byte            // the stream ends here for good; nothing may follow
}

// muxPerSecond is how many pages or clusters there are in a second of audio, at least: a player gets each only when it is
// complete.
const muxPerSecond = 4

// NewMuxer returns a Muxer for a player that joins a stream with header h while e is the current event. An error means
// that the header is not a valid one.
func NewMuxer(h Header, e Event) (Muxer, error) {
	h, err := newHeader(h.Format, h.BitrateBPS, h.Packets)
	if err != nil {
		return nil, err
	}
	switch h.Format {
	case FormatOggVorbis, FormatOggOpus, FormatOggFLAC:
		return newOggMuxer(h, e), nil
	case FormatWebM:
		return newWebMMuxer(h, e), nil
	case FormatFLAC:
		return rawMuxer{preamble: flacPreamble(h, e)}, nil
	case FormatMPEG, FormatAAC, FormatUnknown:
	}
	return rawMuxer{}, nil
}

// A rawMuxer is for formats whose frames stand on their own.
type rawMuxer struct{ preamble []byte }

func (m rawMuxer) Start(dst []byte) []byte          { return append(dst, m.preamble...) }
func (m rawMuxer) Frame(dst []byte, f Frame) []byte { return append(dst, f.Data...) }
func (m rawMuxer) Flush(dst []byte) []byte          { return dst }
func (m rawMuxer) Gap(dst []byte) []byte            { return dst }
func (m rawMuxer) End(dst []byte) []byte            { return dst }

// flacPreamble returns what comes before the first native FLAC frame. Frames keep their own numbers; players don't mind.
func flacPreamble(h Header, e Event) []byte {
	b := append([]byte(flacMagic), flacStreamInfo, 0, 0, streamInfoBytes)
	b = append(b, h.Packets[0]...)
	return appendFLACComments(b, e)
}

// appendFLACComments appends the comments as the last metadata block.
func appendFLACComments(dst []byte, e Event) []byte {
	body := appendComments(nil, e)
	dst = append(dst, flacLast|flacComments, byte(len(body)>>16), byte(len(body)>>8), byte(len(body)))
	return append(dst, body...)
}
