package tumar_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"tumar.example/tumar"
)

const vectorFolder = "../../vectors"

// file reads a file of conformance vectors.
func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorFolder, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// vectorKeys are the nodes' of the vectors.
func vectorKeys(t *testing.T) (keys [3]*tumar.EnvelopeKey) {
	t.Helper()
	var envelopes struct {
		Keys map[string]struct{ Public string }
	}
	if err := json.Unmarshal(file(t, "envelopes"), &envelopes); err != nil {
		t.Fatal(err)
	}
	for place := range keys {
		keys[place] = must(tumar.NewEnvelopeKey(unhex(envelopes.Keys[string("ABC"[place])].Public)))
	}
	return keys
}
