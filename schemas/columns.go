package schemas

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// column collects the values of one column of a batch. It does what Arrow's
// builders do in a third of their time, for the few layouts that storage has.
type column struct {
	dataType arrow.DataType
	layout   columnLayout
	rows     int
	invalid  []int32 // rows that are null

	bytes   []byte  // text
	offsets []int32 // text: 0, and where each row ends
	wide    []int64 // eight bytes a row; a decimal has two, low and high
	narrow  []int32 // date
	flags   []byte  // bool: a bit a row
}

type columnLayout uint8

const (
	textLayout columnLayout = iota
	wideLayout
	doubleWideLayout
	narrowLayout
	flagLayout
)

func newColumn(t Type) column {
	c := column{dataType: t.Arrow(), offsets: []int32{0}}
	switch t.Kind {
	case Int64, Double, Time, Timestamp:
		c.layout = wideLayout
	case Decimal:
		c.layout = doubleWideLayout
	case Date:
		c.layout = narrowLayout
	case Bool:
		c.layout = flagLayout
	}
	return c
}

func (c *column) appendNull() {
	c.invalid = append(c.invalid, int32(c.rows))
	if c.layout == textLayout {
		c.appendText(nil)
	} else {
		c.appendScalar(scalar{})
	}
}

func (c *column) appendText(text []byte) {
	c.bytes = append(c.bytes, text...)
	c.offsets = append(c.offsets, int32(len(c.bytes)))
	c.rows++
}

func (c *column) appendString(text string) {
	c.bytes = append(c.bytes, text...)
	c.offsets = append(c.offsets, int32(len(c.bytes)))
	c.rows++
}

func (c *column) appendScalar(v scalar) {
	switch c.layout {
	case doubleWideLayout:
		c.wide = append(c.wide, v.bits, v.high)
	case narrowLayout:
		c.narrow = append(c.narrow, int32(v.bits))
	case flagLayout:
		if c.rows%8 == 0 {
			c.flags = append(c.flags, 0)
		}
		c.flags[c.rows/8] |= byte(v.bits) << (c.rows % 8)
	default:
		c.wide = append(c.wide, v.bits)
	}
	c.rows++
}

// array gives the values and begins anew, with room for as many.
func (c *column) array() arrow.Array {
	buffers := []*memory.Buffer{c.validity()}
	switch c.layout {
	case textLayout:
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)), memory.NewBufferBytes(c.bytes))
	case narrowLayout:
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.narrow)))
	case flagLayout:
		buffers = append(buffers, memory.NewBufferBytes(c.flags))
	default:
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(c.wide)))
	}
	data := array.NewData(c.dataType, c.rows, buffers, nil, len(c.invalid), 0)
	defer data.Release()
	*c = column{dataType: c.dataType, layout: c.layout, offsets: append(make([]int32, 0, len(c.offsets)), 0),
		bytes: make([]byte, 0, len(c.bytes)), wide: make([]int64, 0, len(c.wide)),
		narrow: make([]int32, 0, len(c.narrow)), flags: make([]byte, 0, len(c.flags))}
	return array.MakeFromData(data)
}

// validity is a bit a row, set where there is a value; none where all are.
func (c *column) validity() *memory.Buffer {
	if len(c.invalid) == 0 {
		return nil
	}
	bits := make([]byte, (c.rows+7)/8)
	for i := range bits {
		bits[i] = 0xff
	}
	for _, row := range c.invalid {
		bits[row/8] &^= 1 << (row % 8)
	}
	return memory.NewBufferBytes(bits)
}
