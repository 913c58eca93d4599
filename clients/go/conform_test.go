package tumar_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tumar.example/tumar/internal/answers"
)

// breakVariable has the tests' own program answer vectors/conform.py, and says what is broken of the client.
const breakVariable = "TUMAR_TEST_CONFORM"

// broken clients, and the first vector that each fails.
var broken = []struct {
	ask, first string
	spoil      func(answers.Answer)
}{
	{"quantise", "templates, 128 components: ", nibbles("packed")},
	{"split", "templates, 128 components, split: ", func(a answers.Answer) { a["A"], a["B"] = a["B"], a["A"] }},
	{"info", "envelopes, the first sample of an enrolment, B, info: ", func(a answers.Answer) {
		a["info"] = strings.Replace(a["info"].(string), "000000000000000142", "000000000000000141", 1)
	}},
	{"seal", "envelopes, the first sample of an enrolment, A, seal: ", nibbles("envelope")},
	{"finger", "fingers, an ordinary finger: ", nibbles("vector")},
	{"receipts", "receipts, good, no match: ", func(a answers.Answer) { a["outcome"] = "match" }},
	{"proof", "tokens, the proof: ", func(a answers.Answer) { a["jws"] = a["jws"].(string)[1:] }},
}

// nibbles are swapped in a member of hexadecimal.
func nibbles(member string) func(answers.Answer) {
	return func(a answers.Answer) {
		data := unhex(a[member].(string))
		for place, both := range data {
			data[place] = both<<4 | both>>4
		}
		a[member] = hex.EncodeToString(data)
	}
}

// serveConform answers as TestMain is told to.
func serveConform(spoilt string) {
	all := answers.All()
	for _, b := range broken {
		if b.ask == spoilt {
			right := all[b.ask]
			all[b.ask] = func(q *answers.Question) answers.Answer {
				made := right(q)
				b.spoil(made)
				return made
			}
		}
	}
	if err := answers.Serve(os.Stdin, os.Stdout, all); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// conform runs vectors/conform.py on this client, with the answers to one question spoilt, and gives what it prints and its exit code.
func conform(t *testing.T, spoilt string) (string, int) {
	t.Helper()
	runner := exec.Command(python(t), filepath.Join(vectorFolder, "conform.py"), "--cmd", must(os.Executable()))
	runner.Env = append(os.Environ(), breakVariable+"="+spoilt)
	printed, err := runner.CombinedOutput()
	if err != nil && runner.ProcessState == nil {
		t.Fatal(err)
	}
	return string(printed), runner.ProcessState.ExitCode()
}

func TestTheRunnerFindsThisClientRight(t *testing.T) {
	printed, code := conform(t, "nothing")
	if code != 0 || !strings.Contains(printed, " vectors passed") || strings.Contains(printed, "not supported") {
		t.Fatal(printed)
	}
}

func TestTheRunnerNamesTheFirstVectorThatABrokenClientFails(t *testing.T) {
	for _, b := range broken {
		t.Run(b.ask, func(t *testing.T) {
			printed, code := conform(t, b.ask)
			named := regexp.MustCompile(`(?m)^FAILED after \d+ vectors: ` + regexp.QuoteMeta(b.first))
			if code != 1 || !named.MatchString(printed) {
				t.Fatal(printed)
			}
		})
	}
}
