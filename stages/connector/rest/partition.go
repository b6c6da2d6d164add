package rest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// Places of a listing beside its partition's.
const (
	placeCursor = "cursor" // where an incremental read begins; empty in a sweep
	placeRunAt  = "run_at"
	windowStart = "window_start"
	windowEnd   = "window_end" // empty for the last window
)

// partitions is how a stream is split. The zero value is one partition.
type partitions struct {
	param   string
	values  []string
	entity  config.Name
	list    *listing
	value   string
	windows []time.Time // beginnings
	size    time.Duration
}

func (p partitions) places() []string {
	names := []string{placeCursor, placeRunAt}
	if p.param != "" {
		names = append(names, p.param)
	}
	if p.size > 0 {
		names = append(names, windowStart, windowEnd)
	}
	return names
}

func (s *Stream) compilePartitions(x *partitionSettings) error {
	if x == nil {
		return nil
	}
	ways := 0
	for _, on := range []bool{len(x.Values) > 0, x.From != nil, x.Windows != nil} {
		if on {
			ways++
		}
	}
	if ways != 1 {
		return config.Problem(x.at, fmt.Sprintf("partition names %d lists", ways), "a stream is split in one way", "keep one of values, from, windows")
	}
	if (x.Param == "") != (x.Windows != nil) {
		return config.Problem(x.at, "partition.param goes with values and from", "windows fill window_start and window_end", "")
	}
	s.parts.param, s.parts.values = x.Param, x.Values
	switch {
	case x.Windows != nil:
		return s.compileWindows(x)
	case x.From != nil && x.From.Request != nil:
		r, err := compileRequest(requestSettings{Path: x.From.Request.Path, Query: x.From.Request.Query}, []string{placeRunAt})
		if err != nil {
			return err
		}
		l, err := newListing(r, x.From.Request.Records, x.From.Request.Paginate)
		s.parts.list, s.parts.value = &l, x.From.Request.Value
		return err
	case x.From != nil:
		s.parts.entity = x.From.Entity
	}
	return nil
}

func (s *Stream) compileWindows(x *partitionSettings) error {
	from, err := time.Parse(time.DateOnly, x.Windows.From.Text)
	if err != nil {
		return config.Problem(x.Windows.From.At, "partition.windows.from is not a day", x.Windows.From.Text, "write it as 2020-01-01")
	}
	if x.Windows.Size < time.Hour {
		return config.Problem(x.at, "partition.windows.size is too small", x.Windows.Size.String(), "at least 1h")
	}
	s.parts.windows, s.parts.size = []time.Time{from}, x.Windows.Size
	return nil
}

// Partitions lists the parts of the stream as they are now, sorted by name where
// the file does not order them.
func (s *Stream) Partitions(ctx context.Context) ([]pipeline.Partition, error) {
	p := s.parts
	switch {
	case p.size > 0:
		return p.windowsAt(s.client.now()), nil
	case p.param == "":
		return []pipeline.Partition{{}}, nil
	case p.entity.Text != "":
		ids, err := s.deps.Lists(ctx, p.entity.Text)
		if err != nil {
			return nil, err
		}
		return p.named(ids)
	case p.list != nil:
		ids, err := s.listValues(ctx)
		if err != nil {
			return nil, err
		}
		return p.named(ids)
	}
	return p.named(p.values)
}

// named makes partitions of values; a value that comes twice is an error: its
// records would be read by two at once.
func (p partitions) named(ids []string) ([]pipeline.Partition, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	out := make([]pipeline.Partition, len(ids))
	for i, id := range ids {
		if id == "" || i > 0 && ids[i-1] == id {
			return nil, fmt.Errorf("the partitions by %s have %q twice, or an empty value", p.param, id)
		}
		out[i] = pipeline.Partition{Name: id, Params: map[string]string{p.param: id}}
	}
	return out, nil
}

// windowsAt cuts time into windows; the last one is open, so that the list only
// changes when a new window begins.
func (p partitions) windowsAt(now time.Time) []pipeline.Partition {
	var out []pipeline.Partition
	for start := p.windows[0]; ; start = start.Add(p.size) {
		end := start.Add(p.size)
		params := map[string]string{windowStart: start.Format(time.RFC3339), windowEnd: end.Format(time.RFC3339)}
		last := end.After(now)
		if last {
			delete(params, windowEnd)
		}
		out = append(out, pipeline.Partition{Name: start.Format(time.RFC3339), Params: params})
		if last {
			return out
		}
	}
}

// listValues reads the list that partitions come from. It must be proven: a part
// that is not in it is not read.
func (s *Stream) listValues(ctx context.Context) ([]string, error) {
	var ids []string
	end, err := s.walk(ctx, walk{list: *s.parts.list, class: pace.Bulk, op: "list partitions", page: func(p pageRead) error {
		for _, r := range p.fresh {
			v := scalar(r, s.parts.value)
			if v == "" {
				return fmt.Errorf("a record of the list of partitions has nothing at %s", s.parts.value)
			}
			ids = append(ids, v)
		}
		return nil
	}})
	if err == nil && !end.Proven {
		err = fault.New(fault.Transient, "list partitions", fmt.Errorf("the list may be incomplete: %s", end.Reason)).WithWhere(s.place())
	}
	return ids, err
}
