package s3

import (
	"bytes"
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/trueup-data/trueup/pipeline/store"
)

// PutIfAbsent creates key, by one request that is never repeated.
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) (store.Info, error) {
	return s.put(ctx, "put", key, data, func(in *api.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
}

// Swap replaces key if its ETag is etag, by one request that is never repeated.
func (s *Store) Swap(ctx context.Context, key string, data []byte, etag string) (store.Info, error) {
	if etag == "" {
		return s.PutIfAbsent(ctx, key, data)
	}
	return s.put(ctx, "swap", key, data, func(in *api.PutObjectInput) { in.IfMatch = &etag })
}

func (s *Store) put(ctx context.Context, op, key string, data []byte, condition func(*api.PutObjectInput)) (store.Info, error) {
	if err := s.check(ctx, op, key); err != nil {
		return store.Info{}, err
	}
	in := &api.PutObjectInput{
		Bucket: &s.location.Bucket, Key: s.name(key),
		Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	}
	condition(in)
	e := s.begin(ctx, int64(len(data)))
	defer e.end()
	out, err := s.client.PutObject(e.context, in)
	if err != nil {
		return store.Info{}, s.conditional(e, op, key, err)
	}
	return store.Info{Key: key, SizeBytes: int64(len(data)), ETag: aws.ToString(out.ETag)}, nil
}

// Delete removes key, without a condition: some stores ignore one.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.check(ctx, "delete", key); err != nil {
		return err
	}
	e := s.begin(ctx, 0)
	defer e.end()
	_, err := s.client.DeleteObject(e.context, &api.DeleteObjectInput{Bucket: &s.location.Bucket, Key: s.name(key)})
	if err == nil {
		return nil
	}
	if a := answerOf(err); a.status == http.StatusNotFound && a.code != "NoSuchBucket" {
		return nil
	}
	return s.failed(e, "delete", key, true, err)
}
