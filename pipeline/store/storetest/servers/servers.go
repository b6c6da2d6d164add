// Package servers starts real object stores for tests: MinIO and VersityGW, from
// the project's own binaries, on loopback, with folders that vanish with the
// test. It must never reach another machine or outlive its test, and it fails
// where a server is missing: a test that skips tests nothing.
package servers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Server is a running object store with one empty bucket.
type Server struct {
	Endpoint  string // "http://127.0.0.1:port"
	AccessKey string
	SecretKey string
	Bucket    string
}

// URL is the URL of a store below prefix, without credentials.
func (s *Server) URL(prefix string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s&path_style=true&region=us-east-1", s.Bucket, prefix, s.Endpoint)
}

// Env is what a process needs in its environment to use the server, and nothing
// of this machine's own configuration.
func (s *Server) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_REGION=us-east-1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// StartMinIO starts a MinIO of one drive; it stops with the test.
func StartMinIO(t testing.TB) *Server {
	t.Helper()
	return start(t, program{
		binary: "minio", health: "/minio/health/live",
		args: func(address, dir string) []string {
			return []string{"server", "--quiet", "--address", address, "--console-address", "127.0.0.1:0", dir}
		},
		env: func(s *Server) []string {
			return []string{"MINIO_ROOT_USER=" + s.AccessKey, "MINIO_ROOT_PASSWORD=" + s.SecretKey,
				"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off"}
		},
	})
}

// StartVersity starts a VersityGW over a folder; it stops with the test.
func StartVersity(t testing.TB) *Server {
	t.Helper()
	return start(t, program{
		binary: "versitygw", health: "/health",
		args: func(address, dir string) []string {
			return []string{"--quiet", "--keep-alive", "--port", address, "--health", "/health", "posix", dir}
		},
		env: func(s *Server) []string {
			return []string{"ROOT_ACCESS_KEY_ID=" + s.AccessKey, "ROOT_SECRET_ACCESS_KEY=" + s.SecretKey}
		},
	})
}

// program is how a server is started.
type program struct {
	binary string
	health string // path that answers 200 when it serves
	args   func(address, dir string) []string
	env    func(*Server) []string
}

// startTries is how often a server is started on another port: a free port may
// be taken by somebody else before the server listens on it.
const startTries = 3

func start(t testing.TB, p program) *Server {
	t.Helper()
	binary := find(t, p.binary)
	var log string
	for range startTries {
		server := &Server{AccessKey: "trueup-test", SecretKey: "trueup-test-secret", Bucket: "trueup"}
		address := freeAddress(t)
		server.Endpoint = "http://" + address
		run := launch(t, binary, p, server, address)
		if run.healthy(t, server.Endpoint+p.health) {
			makeBucket(t, server)
			return server
		}
		run.stop()
		log = run.output.String()
	}
	t.Fatalf("%s did not start:\n%s", p.binary, log)
	return nil
}

// find looks for the binary in .bin at the module's root.
func find(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	path := filepath.Join(dir, ".bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not installed; run: make servers", name)
	}
	return path
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was written
	return listener.Addr().String()
}

// process is a server on its way.
type process struct {
	cmd    *exec.Cmd
	alive  io.Closer // its end of the pipe that keeps the server running
	output *buffer
	once   sync.Once
}

// launch starts the server below a shell that kills it when this process closes
// the pipe or dies, however it dies.
func launch(t testing.TB, binary string, p program, s *Server, address string) *process {
	t.Helper()
	const script = `"$@" </dev/null & server=$!; cat >/dev/null; kill -9 $server 2>/dev/null; wait $server`
	args := append([]string{"-c", script, "sh", binary}, p.args(address, t.TempDir())...)
	cmd := exec.Command("/bin/sh", args...) //nolint:gosec // the project's own binary
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, p.env(s)...)
	run := &process{cmd: cmd, output: &buffer{}}
	cmd.Stdout, cmd.Stderr = run.output, run.output
	pipe, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.alive = pipe
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.stop)
	return run
}

func (r *process) stop() {
	r.once.Do(func() {
		r.alive.Close() //nolint:errcheck // the other end notices either way
		_ = r.cmd.Wait()
	})
}

// healthy asks until the server says that it serves, for at most half a minute.
func (r *process) healthy(t testing.TB, url string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if serves(ctx, url) {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func serves(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close() //nolint:errcheck // it was read for its status alone
	return response.StatusCode == http.StatusOK
}

// Client talks to the server as it is, for what a store does not show.
func (s *Server) Client() *api.Client {
	return api.New(api.Options{
		BaseEndpoint: &s.Endpoint, UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	})
}

func makeBucket(t testing.TB, s *Server) {
	t.Helper()
	if _, err := s.Client().CreateBucket(t.Context(), &api.CreateBucketInput{Bucket: aws.String(s.Bucket)}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
}

// buffer collects what a server says.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
