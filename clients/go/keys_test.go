package tumar_test

import (
	"os"
	"path/filepath"
	"testing"

	"tumar.example/tumar"
)

const vectorFolder = "../../vectors"

func readVectors(name string) []byte {
	return must(os.ReadFile(filepath.Join(vectorFolder, name+".json")))
}

// vectorKeys are the nodes' of the vectors.
func vectorKeys(t *testing.T) (keys [3]*tumar.EnvelopeKey) {
	t.Helper()
	var envelopes struct {
		Keys map[string]struct{ Public string }
	}
	into(readVectors("envelopes"), &envelopes)
	for place := range keys {
		keys[place] = must(tumar.NewEnvelopeKey(unhex(envelopes.Keys[of(place)].Public)))
	}
	return keys
}
