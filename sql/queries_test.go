package queries

import (
	"strings"
	"testing"
)

func TestTextFindsEveryEmbeddedStatement(t *testing.T) {
	folders, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, folder := range folders {
		entries, err := files.ReadDir(folder.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := Text(folder.Name() + "/" + e.Name())
			if err != nil || strings.TrimSpace(text) == "" {
				t.Errorf("%s/%s: %v", folder.Name(), e.Name(), err)
			}
			count++
		}
	}
	if count == 0 {
		t.Fatal("nothing is embedded")
	}
}

func TestAnUnknownNameIsAnErrorWithThatName(t *testing.T) {
	if _, err := Text("duck/nothing.sql"); err == nil || !strings.Contains(err.Error(), "duck/nothing.sql") {
		t.Fatalf("got %v", err)
	}
}
