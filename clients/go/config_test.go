package tumar_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumar.example/tumar"
)

func TestAConfigurationThatIsNoneIsRefused(t *testing.T) {
	folder := filepath.Join(vectorFolder, "client")
	right := string(must(os.ReadFile(filepath.Join(folder, "client.toml"))))
	read := func(text string) error {
		beside := t.TempDir()
		if err := os.CopyFS(beside, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(beside, "client.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tumar.ReadClientConfig(path)
		return err
	}
	if err := read(right + "\n[other]\nprogram = \"of another program\"\n"); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct{ old, changed, said string }{
		{"relying_party = ", "relying_parties = ", "the key relying_party is missing"},
		{`party = "B"`, `party = "C"`, "A, B and C, in this order"},
		{`identity = "d15f`, `identity = "D15F`, "identity of node A"},
		{"+2cbeb9da+", "+2cbeb9db+", "log_key of node A"},
		{`"proof.pem"`, `"tls.crt"`, "not a private key"},
		{`"tls.crt"`, `"absent.crt"`, "absent.crt"},
		{"deployment = ", "deployment ", "client.toml"},
	} {
		err := read(strings.Replace(right, wrong.old, wrong.changed, 1))
		if _, is := errors.AsType[*tumar.InputError](err); !is || !strings.Contains(err.Error(), wrong.said) {
			t.Errorf("%q: %v, where %q is due", wrong.changed, err, wrong.said)
		}
	}
}

func TestWhatIsWipedIsGone(t *testing.T) {
	template, person := must(tumar.Quantise(face())), tumar.NewPersonKey()
	template.Wipe()
	person.Wipe()
	for _, component := range template.Components() {
		same(t, component, 0)
	}
	same(t, person.Text(), strings.Repeat("0", 64))
}

func TestWhatIsSecretIsNotPrinted(t *testing.T) {
	person := tumar.NewPersonKey()
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		same(t, fmt.Sprintf(form, person), "PersonKey(..)")
		same(t, fmt.Sprintf(form, must(tumar.Quantise(face()))), "Template(1x128)")
	}
}
