package main

import (
	"context"
	"errors"
	"time"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/reconcile"
)

// doSample tries the mappings on real records of the store. A field that never
// comes to rest is an error: it would be written again in every run.
func (c *cli) doSample(ctx context.Context, n int) error {
	return c.withSession(ctx, func(a *app, s *duck.Session, _ *lake.Snapshot) error {
		var all []reconcile.Sampled
		var tried int64
		for _, e := range a.project.Entities {
			records, found, err := reconcile.Sample(ctx, s, e, time.Now(), n)
			if err != nil {
				return err
			}
			tried, all = tried+records, append(all, found...)
		}
		restless := false
		for _, f := range all {
			restless = restless || f.Kind == "restless"
			if !c.json() {
				c.say("%s@%s: %s is %s in %s, such as %s: golden %q, shown %q, written again %q", f.Entity, f.System, f.Field, f.Kind,
					plural(f.Records, "record", "records"), f.Key, f.Golden, f.Shown, f.Again)
			}
		}
		if c.json() {
			if err := c.printJSON(map[string]any{"project": a.project.Name, "valid": true, "tried": tried, "fields": all}); err != nil {
				return err
			}
		} else {
			c.say("%s tried, %s", plural(tried, "record", "records"), plural(int64(len(all)), "field does not come back", "fields do not come back"))
		}
		if restless {
			return fault.New(fault.Permanent, "validate", errors.New("a field changes each time that it is written: it would be sent in every run")).
				WithHelp("let map undo what write.fields does, or declare write.lossy")
		}
		return nil
	})
}
