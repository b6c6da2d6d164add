package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/trueup-data/trueup/pipeline/store"
)

// adopt makes a file fit to be committed on the draft's head. A file of an older
// epoch that no commit names may be collected at any moment, so it is written
// again under the head's epoch; one that the head has stays as it is.
func (d *draft) adopt(ctx context.Context, table string, f File) (File, error) {
	epoch, ok := epochOf(f.Key)
	if !ok {
		return f, refused(f.Key, "it is not named by NewDataKey")
	}
	if epoch > d.commit.Epoch {
		return f, refused(f.Key, "its epoch is newer than the head's")
	}
	f.Epoch = epoch
	if epoch == d.commit.Epoch || d.l.o.breaks(olderFileKept) {
		return f, nil
	}
	live, err := d.files(ctx, table)
	if err != nil {
		return f, err
	}
	for _, o := range live {
		if o.Key == f.Key {
			return f, nil
		}
	}
	return d.l.copyFile(ctx, table, f, d.commit.Epoch)
}

// copyFile writes a file again under an epoch. ErrMoved: it is gone already.
func (l *Lake) copyFile(ctx context.Context, table string, f File, epoch uint64) (File, error) {
	from := f.Key
	f.Key, f.Epoch = l.NewDataKey(table, epoch), epoch
	r, err := l.st.Open(ctx, from, 0, -1)
	if errors.Is(err, store.ErrNotExist) {
		return f, failure("write a file again", from, because(ErrMoved, "it was collected: its epoch was over"))
	}
	if err != nil {
		return f, failure("write a file again", from, err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := l.st.Upload(ctx, f.Key, io.TeeReader(r, h)); err != nil {
		return f, failure("write a file again", f.Key, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.SHA256 {
		return f, failure("write a file again", from, because(ErrDamaged, "sha256 is %s, its writer said %s", got, f.SHA256))
	}
	return f, nil
}
