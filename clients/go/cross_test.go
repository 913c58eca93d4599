package tumar_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tumar.example/tumar"
)

// commandToken is a token by the service's own command, in a file.
func (d *desk) commandToken(purpose, action string, amr ...string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "token")
	arguments := []string{"token", "--dir", d.folder, "--purpose", purpose, "--action", action, "--out", path}
	for _, evidence := range amr {
		arguments = append(arguments, "--amr", evidence)
	}
	if _, err := d.tumar(arguments...); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func (d *desk) commandVerifies(by string, captured []byte) error {
	d.t.Helper()
	_, err := d.tumar(
		"verify", "--client", d.toml(), "--subject", d.subject, "--token", d.commandToken("cash_withdrawal", "verify"),
		by, written(d.t, "captured", captured), "--amount-kzt", "40000",
	)
	return err
}

func TestTheCommandLineKnowsWhomThisClientEnrols(t *testing.T) {
	d, own, print := newDesk(t), face(), minutiae()
	d.enrol(captured(own), printed(record(print, 0)))
	if err := d.commandVerifies("--face", npy(like(own))); err != nil {
		t.Fatal(err)
	}
	if err := d.commandVerifies("--finger", record(print, 9)); err != nil {
		t.Fatal(err)
	}
	err := d.commandVerifies("--face", npy(face()))
	if ended, is := errors.AsType[*exec.ExitError](err); !is || ended.ExitCode() != 1 {
		t.Fatalf("%v, where a stranger's exit code 1 is due", err)
	}
	certificate, err := d.client.Erase(t.Context(), d.token("erasure", "erase"), d.about("erasure"))
	if err != nil {
		t.Fatal(err)
	}
	kept := written(t, "certificate.json", certificate.JSON())
	if _, err := d.tumar("certificate", kept, "--client", d.toml()); err != nil {
		t.Fatal(err)
	}
}

func TestThisClientKnowsWhomTheCommandLineEnrols(t *testing.T) {
	d, own, print := newDesk(t), face(), minutiae()
	key, certificate := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "certificate.json")
	_, err := d.tumar(
		"enroll", "--client", d.toml(), "--subject", d.subject, "--token", d.commandToken("enrolment", "enroll", "registry_check"),
		"--face", written(t, "face.npy", npy(own)), "--finger", written(t, "finger.fmr", record(print, 0)), "--key-out", key,
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tumar.ParsePersonKey(string(must(os.ReadFile(key)))); err != nil {
		t.Fatal(err)
	}
	d.verify(true, captured(like(own)))
	d.verify(true, printed(record(print, 9)))
	d.verify(false, captured(face()))
	_, err = d.tumar(
		"erase", "--client", d.toml(), "--subject", d.subject, "--token", d.commandToken("erasure", "erase"), "--out", certificate,
	)
	if err != nil {
		t.Fatal(err)
	}
	read := must(tumar.ParseErasureCertificate(must(os.ReadFile(certificate))))
	same(t, read.Subject(), d.subject)
	if err := read.Verify(d.client.Config()); err != nil {
		t.Fatal(err)
	}
}

// python asks the Python client for one step.
func (d *desk) python(do string, members map[string]any, answer any) {
	d.t.Helper()
	members["do"], members["folder"], members["subject"] = do, d.folder, d.subject
	command := exec.Command(python(d.t), filepath.Join("testdata", "cross.py"))
	command.Stdin = bytes.NewReader(must(json.Marshal(members)))
	told, err := ran(command)
	if err != nil {
		d.t.Fatal(err)
	}
	into([]byte(told), answer)
}

func (d *desk) pythonVerifies(members map[string]any) (matched bool) {
	d.t.Helper()
	d.python("verify", members, &matched)
	return matched
}

func TestThePythonClientKnowsWhomThisClientEnrols(t *testing.T) {
	d, own, print := newDesk(t), face(), minutiae()
	d.enrol(captured(own), printed(record(print, 0)))
	same(t, d.pythonVerifies(map[string]any{"embedding": like(own)}), true)
	same(t, d.pythonVerifies(map[string]any{"embedding": face()}), false)
	same(t, d.pythonVerifies(map[string]any{"record": hex.EncodeToString(record(print, 9))}), true)
	var text string
	d.python("erase", map[string]any{}, &text)
	read := must(tumar.ParseErasureCertificate([]byte(text)))
	same(t, read.Subject(), d.subject)
	if err := read.Verify(d.client.Config()); err != nil {
		t.Fatal(err)
	}
}

func TestThisClientKnowsWhomThePythonClientEnrols(t *testing.T) {
	d, own, print := newDesk(t), face(), minutiae()
	var key, subject string
	d.python("enroll", map[string]any{"embedding": own, "record": hex.EncodeToString(record(print, 0))}, &key)
	if _, err := tumar.ParsePersonKey(key); err != nil {
		t.Fatal(err)
	}
	d.verify(true, captured(like(own)))
	d.verify(true, printed(record(print, 9)))
	d.verify(false, printed(record(minutiae(), 0)))
	certificate, err := d.client.Erase(t.Context(), d.token("erasure", "erase"), d.about("erasure"))
	if err != nil {
		t.Fatal(err)
	}
	d.python("certificate", map[string]any{"text": string(certificate.JSON())}, &subject)
	same(t, subject, d.subject)
}
