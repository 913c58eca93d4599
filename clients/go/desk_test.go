package tumar_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tumar.example/tumar"
	"tumar.example/tumar/finger"
)

const (
	gallery  = "banks/b17/customers"
	bank     = "banks/b17"
	issuedBy = "https://issuer.b17.dev.tumar.internal"
)

// desk is a bank's: a client, an issuer of tokens, and a person.
type desk struct {
	t       *testing.T
	folder  string
	client  *tumar.Client
	issuer  *tumar.SigningKey
	subject string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	folder := filepath.Join(nodes(t), "try")
	client, err := tumar.Open(t.Context(), filepath.Join(folder, "client", "client.toml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return &desk{t, folder, client, must(tumar.ReadSigningKey(filepath.Join(folder, "issuer", "issuer.pk8"))), name()}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func name() string { return fmt.Sprintf("go-%08x", rand.Uint32()) }

func (d *desk) token(purpose, action string, amr ...string) string {
	d.t.Helper()
	return d.mint(details(purpose, action), amr...)
}

// details are for one action, and for modalities where it compares any.
func details(purpose, action string) tumar.Details {
	made := tumar.Details{Purpose: purpose, Actions: []string{action}, RelyingParty: bank, Galleries: []string{gallery}}
	if action != "enroll" && action != "verify" && action != "search" {
		made.Modalities = []tumar.Modality{}
	}
	return made
}

func (d *desk) mint(details tumar.Details, amr ...string) string {
	d.t.Helper()
	token, err := d.client.Claims(issuedBy, details, amr...).Mint(d.issuer)
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func (d *desk) about(purpose string) tumar.Target { return tumar.Target{gallery, d.subject, purpose} }

func (d *desk) enrol(references ...tumar.Capture) *tumar.PersonKey {
	d.t.Helper()
	asked := tumar.Enrolment{Target: d.about("enrolment"), References: references}
	enrolled, err := d.client.Enroll(d.t.Context(), d.token("enrolment", "enroll", "registry_check"), asked)
	if err != nil {
		d.t.Fatal(err)
	}
	same(d.t, enrolled.Receipts.Outcome(), "enrolled")
	return enrolled.Person
}

func (d *desk) tryVerify(probes ...tumar.Capture) (*tumar.Verified, error) {
	asked := tumar.Verification{Target: d.about("cash_withdrawal"), Probes: probes, AmountKZT: 40_000}
	return d.client.Verify(d.t.Context(), d.token("cash_withdrawal", "verify"), asked)
}

func (d *desk) verify(matches bool, probes ...tumar.Capture) {
	d.t.Helper()
	verified, err := d.tryVerify(probes...)
	if err != nil {
		d.t.Fatal(err)
	}
	same(d.t, verified.Matched, matches)
}

// tumar runs the service's own command, and gives what it prints.
func (d *desk) tumar(arguments ...string) (string, error) {
	d.t.Helper()
	return ran(exec.Command(service(d.t), arguments...))
}

// ran gives what a command prints, and in the error what it says of its failure.
func ran(command *exec.Cmd) (string, error) {
	var told bytes.Buffer
	command.Stderr = &told
	printed, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, told.String())
	}
	return string(printed), err
}

func (d *desk) toml() string { return filepath.Join(d.folder, "client", "client.toml") }

func same[T comparable](t *testing.T, got, due T) {
	t.Helper()
	if got != due {
		t.Fatalf("%v, where %v is due", got, due)
	}
}

// refused holds that a call was refused by node A for this reason, and gives the refusal.
func refused(t *testing.T, err error, reason tumar.Reason) *tumar.Refusal {
	t.Helper()
	refusal, is := errors.AsType[*tumar.Refusal](err)
	if !is || !errors.Is(err, reason) {
		t.Fatalf("%v, where %s is due", err, reason)
	}
	same(t, refusal.Node, tumar.PartyA)
	return refusal
}

// face is an embedding of nobody.
func face() []float32 {
	made := make([]float32, 128)
	for place := range made {
		made[place] = float32(rand.NormFloat64())
	}
	return made
}

// like is another capture of the same face.
func like(face []float32) []float32 {
	made := make([]float32, len(face))
	for place, x := range face {
		made[place] = x + float32(0.6*rand.NormFloat64())
	}
	return made
}

func captured(embedding []float32) tumar.Capture {
	return tumar.Capture{"sface128", must(tumar.Quantise(embedding))}
}

type minutia struct {
	x, y  uint16
	angle byte
}

// minutiae are forty of nobody.
func minutiae() []minutia {
	made := make([]minutia, 40)
	for place := range made {
		made[place] = minutia{uint16(100 + rand.IntN(300)), uint16(100 + rand.IntN(400)), byte(rand.IntN(256))}
	}
	return made
}

// record is an ISO/IEC 19794-2:2005 record of a finger, put down so many pixels aside.
func record(print []minutia, aside uint16) []byte {
	made := []byte("FMR\x00 20\x00")
	made = binary.BigEndian.AppendUint32(made, uint32(30+6*len(print)))
	for _, number := range []uint16{0, 500, 600, 197, 197} {
		made = binary.BigEndian.AppendUint16(made, number)
	}
	made = append(made, 1, 0, 0, 0, 80, byte(len(print)))
	for _, m := range print {
		made = binary.BigEndian.AppendUint16(made, 1<<14|(m.x+aside))
		made = binary.BigEndian.AppendUint16(made, m.y-aside)
		made = append(made, m.angle, 80)
	}
	return append(made, 0, 0)
}

// printed is a set of a finger's rows, for one comparison.
func printed(record []byte) tumar.Capture {
	return tumar.Capture{"leader-rows-3", must(finger.Rows(record))}
}

// npy is numpy's form of a row of floats.
func npy(row []float32) []byte {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }", len(row))
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	made := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(head)))
	made, _ = binary.Append(append(made, head...), binary.LittleEndian, row)
	return made
}

// written puts a file into a folder of this test's.
func written(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func unhex(text string) []byte { return must(hex.DecodeString(text)) }
