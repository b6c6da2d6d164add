package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/trueup-data/trueup/stages/connector/connectortest"
)

// proxy stands between the connector and the database and breaks what it is told to.
type proxy struct {
	t      testing.TB
	listen net.Listener
	server string

	mu    sync.Mutex
	next  connectortest.Failure
	conns map[net.Conn]bool
	spoke map[byte]int // messages of clients, by the type that the protocol gives them
}

// Types of messages from a client: chapter 54.7 of PostgreSQL's manual.
const (
	messageQuery   = 'Q' // a simple query: a round trip
	messageSync    = 'S' // ends what was sent before: a round trip
	messageExecute = 'E' // one statement of it
)

// said gives the messages that clients sent since it was last asked.
func (p *proxy) said() map[byte]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.spoke
	p.spoke = map[byte]int{}
	return out
}

// hears counts the messages of one connection. A message is a type, its length
// without the type in four bytes, and a body; the first has no type.
func (p *proxy) hears() func([]byte) {
	var rest []byte
	typed := 0
	return func(b []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for rest = append(rest, b...); len(rest) >= typed+4; typed = 1 {
			size := typed + int(binary.BigEndian.Uint32(rest[typed:]))
			if len(rest) < size {
				return
			}
			if typed == 1 {
				p.spoke[rest[0]]++
			}
			rest = rest[size:]
		}
	}
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: l, server: server, conns: map[net.Conn]bool{}, spoke: map[byte]int{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.closeAll()
		wg.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listen.Addr().String() }

func (p *proxy) failNext(f connectortest.Failure) {
	p.mu.Lock()
	p.next = f
	p.mu.Unlock()
	if f == connectortest.Unavailable {
		p.closeAll()
	}
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// take is the failure that applies now, if it is one of those asked for.
func (p *proxy) take(kinds ...connectortest.Failure) connectortest.Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range kinds {
		if p.next == k {
			p.next = ""
			return k
		}
	}
	return ""
}

func (p *proxy) hold(c net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		c.Close()
	}
}

// serve passes a connection on. A client speaks and then listens, so one
// goroutine for each direction is enough to know what an answer answers.
func (p *proxy) serve(client net.Conn) {
	defer p.hold(client)()
	if p.take(connectortest.Unavailable) != "" {
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer p.hold(server)()
	var mu sync.Mutex
	var armed connectortest.Failure
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			mu.Lock()
			f := armed
			mu.Unlock()
			if f != "" {
				spoil(client, buf[:n], f)
				return
			}
			if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	})
	defer wg.Wait()
	defer server.Close()
	hear := p.hears()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		hear(buf[:n])
		if isRequest(buf[:n]) {
			mu.Lock()
			armed = p.take(connectortest.AnswerLost, connectortest.Truncated, connectortest.Garbage)
			mu.Unlock()
		}
		if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// isRequest tells the statements about records from those around them.
func isRequest(b []byte) bool {
	for _, mark := range []string{"INSERT INTO", "UPDATE \"", "DELETE FROM", `SELECT "id", `} {
		if bytes.Contains(b, []byte(mark)) {
			return true
		}
	}
	return false
}

// spoil answers in the server's place: with nothing, a part, or something else.
// The server has answered, so the request has had its effect.
func spoil(client io.Writer, answer []byte, f connectortest.Failure) {
	switch f {
	case connectortest.Truncated:
		_, _ = client.Write(answer[:len(answer)/2])
	case connectortest.Garbage:
		_, _ = client.Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n<html></html>"))
	}
}
