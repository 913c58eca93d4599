package tumar_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// notHeld are verifiers' parts: the tests of the nodes hold them.
var notHeld = map[string][]string{
	"tokens": {
		"trusted.issuer", "trusted.relying_parties", "trusted.bases", "trusted.jwks.keys.0.kid", "trusted.jwks.keys.0.kty",
		"trusted.jwks.keys.0.crv", "cases",
	},
	"approvals": {"officers.0.relying_party", "officers.1", "officers.2", "roles", "cases"},
}

func TestABitFlippedInAnyVectorFails(t *testing.T) {
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			var tree map[string]any
			into(readVectors(name), &tree)
			flipper := &flipper{t: t, name: name, check: check, tree: tree, dice: rand.New(rand.NewPCG(1, 2))}
			flipper.walk(tree, "", func(any) {})
			if flipper.tried < 5 {
				t.Fatalf("only %d vectors were changed", flipper.tried)
			}
		})
	}
}

// flipper changes one text after the other in a file of vectors, and puts it back.
type flipper struct {
	t     *testing.T
	name  string
	check func([]byte) error
	tree  map[string]any
	dice  *rand.Rand
	tried int
}

// walk goes through the texts that a client must hold. Names are for people, what is spoilt already may be spoilt further, and the last
// bits of embeddings and records are rounded away, as they should be.
func (f *flipper) walk(value any, path string, put func(any)) {
	for _, left := range notHeld[f.name] {
		if path == "."+left {
			return
		}
	}
	switch value := value.(type) {
	case map[string]any:
		spoilt := value["fault"] != nil || value["reason"] != nil
		for _, key := range slices.Sorted(maps.Keys(value)) {
			member := value[key]
			skipped := key == "name" || key == "model" || key == "embedding" || key == "record" || spoilt && key != "fault" && key != "reason"
			if !skipped {
				f.walk(member, path+"."+key, func(changed any) { value[key] = changed })
			}
		}
	case []any:
		for place, member := range value {
			f.walk(member, fmt.Sprintf("%s.%d", path, place), func(changed any) { value[place] = changed })
		}
	case string:
		if value == "" {
			return
		}
		put(f.flipped(value))
		f.tried++
		if f.passes(path) {
			f.t.Errorf("%s passes when it is changed", path)
		}
		put(value)
	}
}

// flipped has one bit changed; of hexadecimal, a bit of what it says.
func (f *flipper) flipped(text string) string {
	raw := []byte(text)
	place := f.dice.IntN(len(raw))
	if _, err := hex.DecodeString(text); err == nil && strings.ToLower(text) == text {
		digit := strings.IndexByte("0123456789abcdef", raw[place])
		raw[place] = "0123456789abcdef"[digit^1<<f.dice.IntN(4)]
		return string(raw)
	}
	raw[place] ^= 1 << f.dice.IntN(7)
	return string(raw)
}

// passes holds the client against the file, of whose cases the changed one is enough.
func (f *flipper) passes(path string) (passed bool) {
	defer func() {
		if recover() != nil {
			passed = false
		}
	}()
	part := maps.Clone(f.tree)
	if rest, isCase := strings.CutPrefix(path, ".cases."); isCase {
		number, _, _ := strings.Cut(rest, ".")
		place := must(strconv.Atoi(number))
		part["cases"] = f.tree["cases"].([]any)[place : place+1]
	}
	return f.check(must(json.Marshal(part))) == nil
}
