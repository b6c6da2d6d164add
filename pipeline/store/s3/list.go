package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// List visits objects in byte order, a page per request. A listing that is not
// in order is an error: what reads the log relies on it.
func (s *Store) List(ctx context.Context, prefix, after string, yield func(store.Info) error) error {
	base := ""
	if s.location.Prefix != "" {
		base = s.location.Prefix + "/"
	}
	l := &listing{store: s, base: base, prefix: prefix, last: after, yield: yield}
	for more := true; more; {
		if err := store.Canceled(ctx, "list", s.URL(), prefix); err != nil {
			return err
		}
		var err error
		if more, err = l.page(ctx); err != nil {
			return err
		}
	}
	return nil
}

type listing struct {
	store        *Store
	base, prefix string
	last         string  // the last key seen, or the one to begin after
	token        *string // of the next page
	yield        func(store.Info) error
}

func (l *listing) page(ctx context.Context) (more bool, err error) {
	in := &api.ListObjectsV2Input{
		Bucket: &l.store.location.Bucket, Prefix: aws.String(l.base + l.prefix),
		MaxKeys: aws.Int32(l.store.options.ListPage), ContinuationToken: l.token,
	}
	if l.last != "" && l.token == nil {
		in.StartAfter = aws.String(l.base + l.last)
	}
	e := l.store.begin(ctx, 0)
	out, err := l.store.client.ListObjectsV2(e.context, in)
	if err != nil {
		err = l.store.failed(e, "list", l.prefix, false, err)
	}
	e.end() // the receiver may take its time
	if err != nil {
		return false, err
	}
	for _, object := range out.Contents {
		if err := l.visit(object); err != nil {
			return false, err
		}
	}
	return l.next(out)
}

// next takes the token of the next page. One that repeats, or is missing, would
// end or loop the listing without a word.
func (l *listing) next(out *api.ListObjectsV2Output) (more bool, err error) {
	if !aws.ToBool(out.IsTruncated) {
		return false, nil
	}
	token := aws.ToString(out.NextContinuationToken)
	if token == "" || token == aws.ToString(l.token) {
		return false, l.store.failure(fault.Permanent, "list", l.prefix,
			errors.New("the store says that there is more, and not where it goes on"))
	}
	l.token = &token
	return true, nil
}

func (l *listing) visit(object types.Object) error {
	key, ours := strings.CutPrefix(aws.ToString(object.Key), l.base)
	if !ours || store.CheckKey(key) != nil {
		return nil // a folder marker, or a name that no writer of ours made
	}
	if !strings.HasPrefix(key, l.prefix) || key <= l.last {
		return l.store.failure(fault.Permanent, "list", l.prefix,
			fmt.Errorf("the store lists %q after %q: it does not list in byte order", key, l.last))
	}
	l.last = key
	return l.yield(store.Info{Key: key, SizeBytes: aws.ToInt64(object.Size), ETag: aws.ToString(object.ETag)})
}
