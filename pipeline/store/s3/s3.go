// Package s3 keeps objects in S3-compatible storage. Commits stand on its
// conditional puts, so these are plain PutObject requests that are sent exactly
// once: the SDK never repeats them, and no answer, a reset or a 5xx is reported
// as unknown, not as a failure.
//
// It must never retry a conditional put, show a secret, delete what an unknown
// outcome may have written, or rely on a conditional delete, which some stores
// ignore.
package s3

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Options of a store of S3. The zero value is usable.
type Options struct {
	Keys *Keys // nil: the SDK's default chain, or the URL's profile

	// Timeout is how long a request may stay without an answer, or a body without
	// a byte; 0 means 60 s. Large bodies get more on their way out.
	Timeout time.Duration

	PartBytes int64 // of a multipart upload, at least 5 MiB; 0 means 8 MiB
	Parallel  int   // parts of one upload on their way at once; 0 means 4. An upload holds Parallel*PartBytes in memory
	ListPage  int32 // objects per request of a listing; 0 means 1000

	// Retry is how the requests of an upload are repeated, whose name nobody else
	// uses. Nothing else is repeated here.
	Retry store.Policy
}

// Keys are credentials that the caller found itself.
type Keys struct{ AccessKey, SecretKey, SessionToken string }

// Store is a bucket, or the part of it below a prefix.
type Store struct {
	client   *api.Client
	location Location
	options  Options
}

var _ store.Store = (*Store)(nil)

// Open prepares a client for the store at url (see Location). It sends nothing
// to the store: whether the bucket exists and keeps its promises is what
// store.Probe finds out.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	location, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	cfg, err := config.LoadDefaultConfig(ctx, loadOptions(location, o)...)
	if err != nil {
		return nil, configFailure(location, err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // what stores other than Amazon's sign with
		if location.Endpoint == "" {
			return nil, configFailure(location, errNoRegion)
		}
	}
	client := api.NewFromConfig(cfg, func(c *api.Options) {
		c.HTTPClient = wire{cfg.HTTPClient}
		c.Retryer, c.RetryMaxAttempts = aws.NopRetryer{}, 0
		c.UsePathStyle = location.PathStyle
		// Other stores refuse, or do not send, the checksums that are on by default.
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		c.DisableLogOutputChecksumValidationSkipped = true
		if location.Endpoint != "" {
			c.BaseEndpoint = &location.Endpoint
		}
	})
	return &Store{client: client, location: location, options: o}, nil
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.PartBytes <= 0 {
		o.PartBytes = 8 << 20
	}
	o.PartBytes = max(o.PartBytes, 5<<20)
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.ListPage <= 0 {
		o.ListPage = 1000
	}
	return o
}

func loadOptions(l Location, o Options) []func(*config.LoadOptions) error {
	transport := awshttp.NewBuildableClient().
		WithReadTimeout(0). // Options.Timeout watches over silence, and knows what was sent
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = min(10*time.Second, o.Timeout) }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(transport)}
	if l.Region != "" {
		load = append(load, config.WithRegion(l.Region))
	}
	if l.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(l.Profile))
	}
	if k := o.Keys; k != nil {
		provider := credentials.NewStaticCredentialsProvider(k.AccessKey, k.SecretKey, k.SessionToken)
		load = append(load, config.WithCredentialsProvider(provider))
	}
	return load
}

// URL names the store without credentials.
func (s *Store) URL() string { return s.location.String() }

// name is the object's name in the bucket.
func (s *Store) name(key string) *string {
	if s.location.Prefix == "" {
		return &key
	}
	name := s.location.Prefix + "/" + key
	return &name
}

func (s *Store) failure(kind fault.Kind, op, key string, err error) error {
	return store.Failure(kind, op, s.URL(), key, err)
}

// check is what every call asks before it sends anything.
func (s *Store) check(ctx context.Context, op, key string) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	return store.Canceled(ctx, op, s.URL(), key)
}
