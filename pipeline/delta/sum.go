package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
)

// sum counts and hashes what passes through it.
type sum struct {
	w    io.Writer
	r    io.Reader
	hash hash.Hash
	size int64
}

func newSum(w io.Writer) *sum          { return &sum{w: w, hash: sha256.New()} }
func newSummedReader(r io.Reader) *sum { return &sum{r: r, hash: sha256.New()} }

func (s *sum) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.take(p[:n])
	return n, err
}

func (s *sum) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.take(p[:n])
	return n, err
}

func (s *sum) take(p []byte) {
	s.hash.Write(p)
	s.size += int64(len(p))
}

func (s *sum) hex() string { return hex.EncodeToString(s.hash.Sum(nil)) }
