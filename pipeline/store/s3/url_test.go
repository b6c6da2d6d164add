package s3_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store/s3"
	"pgregory.net/rapid"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]s3.Location{
		"s3://b":      {Bucket: "b"},
		"s3://b/":     {Bucket: "b"},
		"s3://b/p/q/": {Bucket: "b", Prefix: "p/q"},
		"s3://my.bucket-1/p?region=eu-west-1&profile=x": {Bucket: "my.bucket-1", Prefix: "p", Region: "eu-west-1", Profile: "x"},
		"s3://b/p?endpoint=http://127.0.0.1:9000/&path_style=true": {Bucket: "b", Prefix: "p",
			Endpoint: "http://127.0.0.1:9000", PathStyle: true},
		"s3://b?endpoint=https%3A%2F%2Fhost%2Fsub": {Bucket: "b", Endpoint: "https://host/sub"},
	} {
		got, err := s3.ParseURL(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %s", text, err, cmp.Diff(want, got))
		}
	}
}

func TestBadURLsAreRefusedAndNoSecretIsShown(t *testing.T) {
	for _, text := range []string{
		"", "b/p", "file://b", "s3://", "s3:///p", "s3://b:9/p", "s3://b/p#x", "s3://b/../p", "s3://b/.p",
		"s3://key:hunter2@b/p", "s3://b?secret_access_key=hunter2", "s3://b?endpoint=http://user:hunter2@host",
		"s3://b?endpoint=host", "s3://b?endpoint=ftp://host", "s3://b?endpoint=http://host?x=hunter2", "s3://b?path_style=hunter2",
		"s3://b?region=a&region=hunter2", "s3://b?x=%zzhunter2", "s3://hunter2\x7f@b",
	} {
		_, err := s3.ParseURL(text)
		if fault.CodeOf(err) != "bad_store_url" {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(fault.Describe(err), "hunter2") {
			t.Errorf("the secret is shown: %v", err)
		}
	}
}

func TestALocationReadsBackFromItsURL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9][a-z0-9 %&=+?ü-]{0,8}[a-z0-9]`)
		want := s3.Location{
			Bucket:    rapid.StringMatching(`[a-z0-9][a-z0-9.-]{1,8}[a-z0-9]`).Draw(t, "bucket"),
			Prefix:    strings.Join(rapid.SliceOfN(word, 0, 3).Draw(t, "prefix"), "/"),
			Endpoint:  rapid.SampledFrom([]string{"", "http://127.0.0.1:9000", "https://host", "https://host/a/b"}).Draw(t, "endpoint"),
			PathStyle: rapid.Bool().Draw(t, "path style"),
			Region:    rapid.OneOf(rapid.Just(""), word).Draw(t, "region"),
			Profile:   rapid.OneOf(rapid.Just(""), word).Draw(t, "profile"),
		}
		got, err := s3.ParseURL(want.String())
		if err != nil || got != want {
			t.Fatalf("%s: %v\n%s", want, err, cmp.Diff(want, got))
		}
	})
}
