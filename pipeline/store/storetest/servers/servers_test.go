package servers_test

import (
	"net/http"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/s3"
	"github.com/trueup-data/trueup/pipeline/store/storetest/servers"
)

// A server serves under the environment that it names, and is gone when its
// test is over.
func TestAServerLivesAsLongAsItsTest(t *testing.T) {
	var endpoint string
	t.Run("inside", func(t *testing.T) {
		server := servers.StartVersity(t)
		endpoint = server.Endpoint
		s, err := s3.Open(t.Context(), server.URL("p"), s3.Options{
			Keys: &s3.Keys{AccessKey: server.AccessKey, SecretKey: server.SecretKey},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.List(t.Context(), "", "", func(store.Info) error { return nil }); err != nil {
			t.Error(err)
		}
		if len(server.Env()) == 0 {
			t.Error("it names no environment")
		}
	})
	response, err := http.Get(endpoint + "/health")
	if err == nil {
		response.Body.Close()
		t.Errorf("it still answers: %s", response.Status)
	}
}
