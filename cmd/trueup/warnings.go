package main

import (
	"fmt"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
)

func streamOf(e config.Entity, s config.Stream) pipeline.StreamID {
	return pipeline.StreamID{Entity: e.Name, System: s.System}
}

// writeWarnings says what a stream's protocol cannot promise.
func writeWarnings(a *app, e config.Entity, s config.Stream) []string {
	if s.Write == nil {
		return nil
	}
	id, target := streamOf(e, s), a.targets[streamOf(e, s)]
	if target == nil {
		return nil
	}
	var out []string
	if s.Write.Update && target.Protocol(pipeline.OpUpdate) == pipeline.ByNothing {
		how := "each record is read right before it is written"
		if s.Write.Verify == "none" {
			how = "verify: none accepts lost edits"
		}
		out = append(out, fmt.Sprintf("%s has no precondition: an edit in the instant before a write may be replaced (%s)", id, how))
	}
	if s.Write.Create {
		switch target.Protocol(pipeline.OpCreate) {
		case pipeline.ByNothing:
			out = append(out, fmt.Sprintf("%s has no idempotency key and no search: a create without an answer waits for a person", id))
		case pipeline.BySearchableKey:
			out = append(out, fmt.Sprintf("%s does not enforce our key: a create that executes late may exist twice, and is then a finding", id))
		}
	}
	if !target.CanFetch() {
		out = append(out, fmt.Sprintf("%s declares no read by ID: absence proves no deletion, and doubts wait for a person", id))
	}
	return out
}
