package lake

import "context"

// mutation names one rule of the protocol that is left out. Only tests set one,
// through the unexported field of Options: they prove that the model notices
// when the rule is gone. Each is asked about at exactly one place, which is
// where the rule stands.
type mutation uint8

const (
	_ mutation = iota // no rule is left out

	cleanupAfterUnknown     // files of a put without an answer are deleted
	conflictIsLost          // 409 is reported as a lost race
	takenIsLost             // 412 is rebased without looking whose the number is
	noHorizonAfterDone      // "done" is believed without reading the horizon
	noHorizonAfterReading   // what was read from the log counts without reading the horizon after it
	headFallsBack           // a head that cannot be read is the one before
	newNameAfterUnknown     // a put without an answer is made anew instead of repeated
	decisionRebased         // what a step was decided from may have moved
	staleParent             // a step that lost is put on the new number with the old head's tables
	epochNotChecked         // an older tenure is rebased like its own
	openTrustsEpoch         // a tenure takes the epoch's number for its own
	stepsNotCarried         // a commit forgets the other committers' steps
	deadInputs              // a compaction stands although its inputs are gone
	gapsAllowed             // a compaction may leave out files between its inputs
	placeNotInherited       // a compacted file takes the place of its own commit
	groupAsWhole            // one part of a group that stands lets all stand
	checkDropped            // a step's own condition is not asked again
	writerFenceDropped      // intents land from whoever writes them
	olderFileKept           // a file of an older epoch is committed as it is
	horizonBlind            // the horizon is swapped without comparing
	horizonUnread           // the horizon is believed to be moved without an answer
	pinsIgnored             // a collector reads no pins
	pinDeadAtOnce           // a pin is dead when it was seen once
	namedBeforeListing      // what is named is read before the files are listed
	currentEpochCollected   // files of the current epoch are collected
	readerSkipsHorizon      // a reader believes its pin without reading the horizon
	lateReaderGoesOn        // a reader that renewed too late goes on
	collectorStopsAtNothing // what a collector cannot read it takes for unnamed
	decisionNotLookedFor    // a person's decision is put again without looking for its ID
)

// breaks reports whether a rule is left out.
func (o Options) breaks(m mutation) bool { return o.mutant == m }

// cleanUp is the mistake of cleanupAfterUnknown: it deletes what a put without
// an answer names, and calls the put lost.
func (l *Lake) cleanUp(ctx context.Context, d *draft) error {
	for table := range d.drawn {
		_ = l.st.Delete(ctx, d.commit.Tables[table].Key)
	}
	return because(ErrMoved, "cleaned up")
}

// withTablesOf is the mistake of staleParent: the new number with old tables.
func (s *Snapshot) withTablesOf(old *Snapshot) *Snapshot {
	c := *s.commit
	c.Tables = old.commit.Tables
	return &Snapshot{r: s.r, commit: &c, sum: s.sum}
}
