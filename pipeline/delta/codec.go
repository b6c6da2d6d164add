package delta

import (
	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go/compress/snappy"
)

// The codec is Snappy because of wide reads of what this package writes: DuckDB
// reads all columns of 120,000 bookings (27 columns, 25 MB plain) in 24 ms from 12 MB
// of Snappy, in 59 ms from 8 MB of Zstandard, in 24 ms uncompressed.

// fastSnappy writes what snappy.Codec reads. That one looks harder for matches,
// which takes twice the time here and makes files 5% smaller.
type fastSnappy struct{ snappy.Codec }

// Encode compresses src into dst's space.
func (c *fastSnappy) Encode(dst, src []byte) ([]byte, error) {
	return s2.EncodeSnappy(dst, src), nil
}
