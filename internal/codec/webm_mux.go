// SPDX-License-Identifier: MIT

package codec

func newWebMMuxer(h Header, e Event) Muxer { return rawMuxer{} }
