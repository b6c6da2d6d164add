package load

import (
	"context"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// words are what people said against effects, as of a snapshot: their latest word
// counts, until the intent of the write has landed.
type words struct {
	seq     uint64            // of the snapshot
	against map[string]string // effect -> reject, or expired
}

// hear makes the table word in a session over the head, and takes in what it says.
func (l *loader) hear(ctx context.Context, session *duck.Session) error {
	for view, t := range map[string]tables.Table{"decisions": tables.Decisions(), "checkpoints": tables.Checkpoints()} {
		if err := session.Current(ctx, t, view); err != nil {
			return err
		}
	}
	text, err := queries.Text("load/words.sql")
	if err != nil {
		return err
	}
	if err := session.Exec(ctx, text, l.req.RunAt.UnixMicro(), l.id.Entity); err != nil {
		return fmt.Errorf("load/words.sql: %w", err)
	}
	if text, err = queries.Text("load/forbidden.sql"); err != nil {
		return err
	}
	rows, err := session.Query(ctx, text)
	if err != nil {
		return fmt.Errorf("load/forbidden.sql: %w", err)
	}
	defer rows.Close()
	l.words = words{seq: l.head.Seq(), against: map[string]string{}}
	for rows.Next() {
		var effect, word string
		if err := rows.Scan(&effect, &word); err != nil {
			return fmt.Errorf("load/forbidden.sql: %w", err)
		}
		l.words.against[effect] = word
	}
	return rows.Err()
}

// listen hears people again if anybody decided something since.
func (l *loader) listen(ctx context.Context) error {
	if l.words.against != nil && l.head.Table(tables.Decisions().Name).Changed <= l.words.seq {
		return nil
	}
	session, err := l.Engine.Session(ctx, l.head)
	if err != nil {
		return err
	}
	defer session.Close()
	return l.hear(ctx, session)
}

// allowed is the batch without what people are against. Such a change stays as it
// stands, a doubt stays a doubt: the next reconcile takes the word in.
func (l *loader) allowed(ctx context.Context, batch []*change) ([]*change, error) {
	if err := l.listen(ctx); err != nil {
		return nil, err
	}
	var kept []*change
	for _, c := range batch {
		if !l.forbidden(c) {
			kept = append(kept, c)
		}
	}
	return kept, nil
}

// withdraw takes back those of a batch whose intents have not landed and that
// people are against by now.
func (l *loader) withdraw(ctx context.Context, batch []*sent) ([]*sent, error) {
	if err := l.listen(ctx); err != nil {
		return nil, err
	}
	var kept []*sent
	for _, s := range batch {
		if c := s.change; l.forbidden(c) {
			c.attempt--
			c.sends--
			c.to(s.stood, s.stoodFor)
			continue
		}
		kept = append(kept, s)
	}
	return kept, nil
}

// forbidden reports whether people are against a change, and says so.
func (l *loader) forbidden(c *change) bool {
	word, is := l.words.against[c.effect]
	if !is {
		return false
	}
	l.counts.Forbidden++
	l.Log.Info("a change is not sent: a person's latest word is against it", "stream", l.id.String(), "key", c.key, "op", string(c.op),
		"change", c.name, "word", word)
	return true
}
