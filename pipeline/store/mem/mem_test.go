package mem_test

import (
	"errors"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return mem.New() })
}

func TestCloneIsAStoreOfItsOwn(t *testing.T) {
	a := mem.New()
	if _, err := a.PutIfAbsent(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if data, _, err := b.Get(t.Context(), "k"); err != nil || string(data) != "x" {
		t.Errorf("the clone reads %q, %v", data, err)
	}
	if _, _, err := a.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("the original still has it: %v", err)
	}
}
