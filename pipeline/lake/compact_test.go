package lake

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// table draws the live files of a table in the order of their places.
func table(t *rapid.T) []File {
	var files []File
	seq := uint64(1)
	for i := range rapid.IntRange(0, 60).Draw(t, "files") {
		seq += uint64(rapid.IntRange(0, 3).Draw(t, "apart"))
		kind := rapid.SampledFrom([]FileKind{Delta, Delta, Delta, Folded, History}).Draw(t, "kind")
		files = append(files, File{Key: fmt.Sprint("f", i), Kind: kind, Seq: seq, SizeBytes: int64(rapid.IntRange(1, 100).Draw(t, "size"))})
	}
	return files
}

func TestACompactionNeverCrossesTheLowestWatermarkAndLeavesNoGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := table(t)
		keyed := rapid.Bool().Draw(t, "keyed")
		watermark := rapid.Uint64Range(0, 120).Draw(t, "watermark")
		plan, ok := PlanCompaction("t", files, keyed, watermark, CompactionPolicy{MaxDeltas: 5, TargetBytes: 200})
		if !ok {
			return
		}
		if gap := firstGap(files, keysOf(plan.Inputs), false); gap != "" || len(plan.Inputs) < 2 || plan.Fold != keyed {
			t.Fatalf("the plan %+v leaves out %s", plan, gap)
		}
		for _, f := range plan.Inputs {
			if f.Seq > watermark || f.Kind == History {
				t.Fatalf("%+v is folded, the watermark is %d", f, watermark)
			}
		}
	})
}

func TestCompactionBoundsTheNumberOfFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := table(t)
		keyed := rapid.Bool().Draw(t, "keyed")
		for round := 0; ; round++ {
			plan, ok := PlanCompaction("t", files, keyed, math.MaxUint64, CompactionPolicy{MaxDeltas: 5, TargetBytes: 1000})
			if !ok {
				break
			}
			if round > 60 {
				t.Fatal("it does not come to an end")
			}
			out := File{Key: fmt.Sprint("out", round), Kind: Delta, Seq: plan.Inputs[len(plan.Inputs)-1].Seq}
			if plan.Fold {
				out.Kind = Folded
			}
			for _, f := range plan.Inputs {
				out.SizeBytes += f.SizeBytes
			}
			at := slices.IndexFunc(files, func(f File) bool { return f.Key == plan.Inputs[0].Key })
			files = slices.DeleteFunc(files, func(f File) bool { return slices.Contains(keysOf(plan.Inputs), f.Key) })
			files = slices.Insert(files, min(at, len(files)), out)
		}
		small := 0
		for _, f := range files {
			if keyed && f.Kind == Delta || !keyed && f.Kind != History && f.SizeBytes < 500 {
				small++
			}
		}
		if small > 5 {
			t.Fatalf("%d files are left: %+v", small, files)
		}
	})
}

func TestAFoldTakesTheFoldedFilesInAndLeavesHistory(t *testing.T) {
	files := []File{{Key: "h", Kind: History, Seq: 2}, {Key: "b", Kind: Folded, Seq: 2}}
	for i := range 40 {
		files = append(files, File{Key: fmt.Sprint("d", i), Kind: Delta, Seq: uint64(3 + i)})
	}
	plan, ok := PlanCompaction("t", files, true, 40, CompactionPolicy{})
	if !ok || !plan.Fold || len(plan.Inputs) != 39 || plan.Inputs[0].Key != "b" {
		t.Errorf("the plan is %v %+v", ok, plan)
	}
	if _, ok := PlanCompaction("t", files, true, 34, CompactionPolicy{}); ok {
		t.Error("32 deltas up to the watermark are not too many")
	}
}
