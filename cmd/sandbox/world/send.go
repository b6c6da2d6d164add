package world

import (
	"net"
	"net/http"
	"strconv"
)

// send puts the answer onto the wire.
func (a answer) send(rw http.ResponseWriter) {
	switch a.wire {
	case dropped:
		drop(rw)
		return
	case reset:
		resetConn(rw)
		return
	}
	for name, values := range a.header {
		rw.Header()[name] = values
	}
	body := a.body
	if a.wire == cut {
		body = body[:len(body)/2]
	}
	rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if len(body) == 0 {
		rw.Header().Del("Content-Length")
	}
	rw.WriteHeader(a.status)
	if a.wire == truncated {
		_, _ = rw.Write(body[:len(body)/2]) // the client is left waiting for the rest either way
		flush(rw)
		panic(http.ErrAbortHandler) // net/http's way to break a connection within an answer
	}
	_, _ = rw.Write(body) // a client that went away is not the world's concern
}

func flush(rw http.ResponseWriter) {
	if f, ok := rw.(http.Flusher); ok {
		f.Flush()
	}
}

// drop is a time-out without the waiting: the client learns at once that no
// answer will come, and knows as little about the effect as after thirty seconds.
// An interim "102 Processing" goes out first, because Go's client silently sends
// a request again when a kept connection closes before the first byte; after a
// real time-out it would not.
func drop(rw http.ResponseWriter) {
	conn := hijack(rw)
	_, _ = conn.Write([]byte("HTTP/1.1 102 Processing\r\n\r\n"))
	_ = conn.Close()
}

// resetConn closes without a byte and with RST. Here the silent repetition by the
// client is part of what is to be seen.
func resetConn(rw http.ResponseWriter) {
	conn := hijack(rw)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func hijack(rw http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil { // the world serves HTTP/1.1 only, where this always works
		panic(http.ErrAbortHandler)
	}
	return conn
}
