package tumar_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// fenced gives the blocks of a README in a language.
func fenced(t *testing.T, readme, language string) (blocks []string) {
	t.Helper()
	form := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	for _, found := range form.FindAllStringSubmatch(readme, -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}

func TestTheProgramOfTheReadmeRunsAsItStands(t *testing.T) {
	root, readme := nodes(t), string(must(os.ReadFile("README.md")))
	programs, commands := fenced(t, readme, "go"), fenced(t, readme, "sh")
	same(t, len(programs), 1)
	if err := os.Symlink(must(filepath.Abs("..")), filepath.Join(root, "clients")); err != nil {
		t.Fatal(err)
	}
	bank := filepath.Join(root, "try", "bank")
	if err := os.MkdirAll(bank, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bank, "main.go"), []byte(programs[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	// The first block generates what these tests are built of already, the second makes a module, the last is of tests.
	shell := exec.Command("sh", "-ec", commands[1])
	shell.Dir = root
	printed, err := ran(shell)
	if err != nil {
		t.Fatal(err)
	}
	same(t, printed, "true\nfalse\n")
}
