package tumar_test

import (
	"bytes"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	"tumar.example/tumar/finger"
	"tumar.example/tumar/internal/vectors"
	pb "tumar.example/tumar/v1"
)

// checks hold the client against a file of vectors each. An error or a panic says that the client and the file do not agree.
var checks = map[string]func(text []byte) error{
	"templates": checkTemplates, "envelopes": checkEnvelopes, "transcripts": checkTranscripts, "person": checkPerson,
	"committee": checkCommittee, "receipts": checkReceipts, "certificates": checkCertificates, "tokens": checkTokens,
	"approvals": checkApprovals, "fingers": checkFingers,
}

func TestAllVectorsPass(t *testing.T) {
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			if err := check(readVectors(name)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNoFileOfVectorsIsLeftOut(t *testing.T) {
	paths := must(filepath.Glob(filepath.Join(vectorFolder, "*.json")))
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if checks[name] == nil {
			t.Errorf("%s is not held against the client", path)
		}
	}
	same(t, len(paths), len(checks))
}

func vectorConfig() *tumar.ClientConfig {
	return must(tumar.ReadClientConfig(filepath.Join(vectorFolder, "client", "client.toml")))
}

// into reads a file of vectors.
func into(text []byte, made any) {
	if err := json.Unmarshal(text, made); err != nil {
		panic(err)
	}
}

// agree tells what differs.
func agree(what string, got, due any) error {
	if reflect.DeepEqual(got, due) {
		return nil
	}
	return fmt.Errorf("%s: %v, where %v is due", what, got, due)
}

func agreeHex(what string, got []byte, due string) error {
	return agree(what, hex.EncodeToString(got), due)
}

// of tells the party at a place.
func of(place int) string { return string("ABC"[place]) }

func checkTemplates(text []byte) error {
	var file struct {
		Cases []struct {
			Name, Embedding, Components, Packed, Masks string
			Plaintexts                                 map[string]string
		}
		Refused []struct{ Fault, Embedding string }
	}
	into(text, &file)
	var faults []error
	for _, c := range file.Cases {
		made := must(tumar.Quantise(vectors.Floats(unhex(c.Embedding))))
		shown := strings.Trim(fmt.Sprint(made.Components()), "[]")
		faults = append(faults, agree(c.Name, shown, c.Components), agreeHex(c.Name, made.Pack(), c.Packed))
		for place, part := range must(tumar.SplitWith(made, unhex(c.Masks))) {
			faults = append(faults, agreeHex(c.Name, part, c.Plaintexts[of(place)]))
		}
	}
	said := map[string]error{
		"not_finite": tumar.ErrNotFinite, "zero": tumar.ErrZero, "sparse": tumar.ErrSparse, "dimension": tumar.ErrDimension,
	}
	for _, c := range file.Refused {
		_, err := tumar.Quantise(vectors.Floats(unhex(c.Embedding)))
		faults = append(faults, agree(c.Fault, err != nil && errors.Is(err, said[c.Fault]), true))
	}
	return errors.Join(faults...)
}

type sealedVector struct{ Info, Plaintext, Envelope string }

func checkEnvelopes(text []byte) error {
	var file struct {
		vectors.Binding
		Keys  map[string]struct{ Seed, Public, ID string }
		Cases []json.RawMessage
	}
	into(text, &file)
	var keys [3]*tumar.EnvelopeKey
	var private [3]hpke.PrivateKey
	for place := range keys {
		key := file.Keys[of(place)]
		keys[place] = must(tumar.NewEnvelopeKey(unhex(key.Public)))
		private[place] = must(hpke.MLKEM768X25519().NewPrivateKey(unhex(key.Seed)))
		if err := agreeHex("id", keys[place].ID(), key.ID); err != nil {
			return err
		}
	}
	var faults []error
	for _, raw := range file.Cases {
		of := file.Binding
		into(raw, &of)
		faults = append(faults, checkEnvelope(raw, of.Binding(), keys, private))
	}
	return errors.Join(faults...)
}

// checkEnvelope opens the vectors' envelopes, and this client's own, as a node does.
func checkEnvelope(raw []byte, binding *tumar.Binding, keys [3]*tumar.EnvelopeKey, private [3]hpke.PrivateKey) error {
	var c struct {
		Name      string
		PersonKey *string `json:"person_key"`
		Sealed    map[string]sealedVector
	}
	into(raw, &c)
	var person *tumar.PersonKey
	if c.PersonKey != nil {
		person = must(tumar.ParsePersonKey(*c.PersonKey))
	}
	template := must(tumar.NewTemplate(1, 128, make([]int8, 128)))
	if binding.Modality == tumar.Finger {
		template = must(tumar.NewTemplate(4, 140, make([]int8, 560)))
	}
	var faults []error
	var opened [3][]byte
	for place, envelope := range must(tumar.SealSample(template, keys, binding, person)) {
		sealed, party := c.Sealed[of(place)], tumar.Party(of(place))
		info, plaintext := binding.Info(party, keys[place].ID()), unhex(sealed.Plaintext)
		theirs := must(open(private[place], info, unhex(sealed.Envelope)))
		opened[place] = must(open(private[place], info, envelope))
		faults = append(faults, agreeHex(c.Name, info, sealed.Info), agreeHex(c.Name, theirs, sealed.Plaintext))
		faults = append(faults, agree(c.Name, len(envelope), len(plaintext)+1144), agree(c.Name, envelope[:8], keys[place].ID()))
		if person != nil {
			key, end := person.ForNode(party), len(plaintext)-32
			faults = append(faults, agree(c.Name, opened[place][end:], key), agree(c.Name, plaintext[end:], key))
		}
	}
	// All that two parties hold of a template of zeros cancels out.
	half := len(template.Components()) / 2
	for place := range half {
		if opened[0][place]^opened[1][place]^opened[2][place] != 0 {
			return errors.New("the summands do not make the template")
		}
	}
	return errors.Join(faults...)
}

func open(key hpke.PrivateKey, info, envelope []byte) ([]byte, error) {
	return hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, envelope[8:])
}

func checkTranscripts(text []byte) error {
	var file struct {
		Cases []struct {
			Call, Message, Bytes, Hash string
			Fields                     []any
		}
	}
	into(text, &file)
	var faults []error
	for _, c := range file.Cases {
		prepared := must(vectors.Prepared(c.Call, unhex(c.Message)))
		again := must(tumar.ParsePrepared(must(prepared.Bytes())))
		var fields [][]byte
		for _, field := range c.Fields {
			fields = append(fields, fieldOf(field))
		}
		faults = append(
			faults, agreeHex(c.Call, prepared.TranscriptBytes(), c.Bytes), agreeHex(c.Call, prepared.Transcript(), c.Hash),
			agreeHex(c.Call, tumar.Framed(fields...), c.Bytes), agreeHex(c.Call, again.Transcript(), c.Hash),
			agree(c.Call, proto.Equal(again.Message(), prepared.Message()), true),
		)
	}
	return errors.Join(faults...)
}

// fieldOf reads a text, or an object with hexadecimal.
func fieldOf(field any) []byte {
	if text, is := field.(string); is {
		return []byte(text)
	}
	return unhex(field.(map[string]any)["hex"].(string))
}

func checkPerson(text []byte) error {
	var file struct {
		File    string
		Nodes   map[string]string
		Handles map[string]map[string]string
	}
	into(text, &file)
	key := must(tumar.ParsePersonKey(file.File))
	var faults []error
	for place := range 3 {
		party := tumar.Party(of(place))
		faults = append(faults, agreeHex("the key of "+of(place), key.ForNode(party), file.Nodes[of(place)]))
		for counter, handle := range file.Handles[of(place)] {
			var number uint64
			must(fmt.Sscan(counter, &number))
			faults = append(faults, agreeHex("a handle of "+of(place), key.Handle(party, number), handle))
		}
	}
	return errors.Join(faults...)
}

func checkFingers(text []byte) error {
	var file struct {
		Cases []struct {
			Name, Record, Reason, Set, Vector string
			Rows                              int
		}
	}
	into(text, &file)
	var faults []error
	for _, c := range file.Cases {
		rows, err := finger.Rows(unhex(c.Record))
		vector, other := finger.Vector(unhex(c.Record))
		if refused, is := errors.AsType[*finger.Error](err); is {
			also, _ := errors.AsType[*finger.Error](other)
			faults = append(faults, agree(c.Name, []string{refused.Reason, also.Reason}, []string{c.Reason, c.Reason}))
			continue
		}
		faults = append(
			faults, agree(c.Name, "", c.Reason), agree(c.Name, must(rows, err).Rows(), c.Rows), agreeHex(c.Name, rows.Pack(), c.Set),
			agreeHex(c.Name, must(vector, other).Pack(), c.Vector),
		)
	}
	return errors.Join(faults...)
}

func checkCommittee(text []byte) error {
	var file struct {
		Keys      map[string]string
		Until     uint64
		Context   string
		Models    [][]any
		Limits    map[string]float64
		SignedByA string `json:"signed_by_a"`
		Cases     []struct{ Name, Answer, Fault, Party string }
	}
	into(text, &file)
	var faults []error
	for _, c := range file.Cases {
		var answer pb.GetCommitteeResponse
		if err := proto.Unmarshal(unhex(c.Answer), &answer); err != nil {
			return err
		}
		committee, err := tumar.CheckCommittee(&answer, vectorConfig())
		if untrusted, is := errors.AsType[*tumar.CommitteeNotTrusted](err); is {
			faults = append(faults, agree(c.Name, []string{string(untrusted.Fault), string(untrusted.Party)}, []string{c.Fault, c.Party}))
			continue
		}
		must(committee, err)
		faults = append(faults, agree(c.Name, "", c.Fault), agree(c.Name, committee.Until, file.Until))
		faults = append(faults, agreeHex(c.Name, committee.Context, file.Context))
		for place, key := range committee.Keys {
			faults = append(faults, agreeHex(c.Name, key.ID(), file.Keys[of(place)]))
		}
		faults = append(faults, agree(c.Name, shownModels(&answer, committee), file.Models))
		faults = append(faults, agree(c.Name, shownLimits(committee.Limits), file.Limits))
		if c.Name == "good" {
			faults = append(faults, agreeHex(c.Name, tumar.NodeMessage(answer.GetNodes()[0], "kz-test"), file.SignedByA))
		}
	}
	return errors.Join(faults...)
}

func shownModels(answer *pb.GetCommitteeResponse, committee *tumar.Committee) [][]any {
	var shown [][]any
	for _, model := range answer.GetModels() {
		checked, encoding := committee.Models[model.GetId()], "vector"
		if checked.IsRows {
			encoding = "rows"
		}
		shown = append(shown, []any{checked.ID, string(checked.Modality), encoding, float64(checked.Dimension)})
	}
	return shown
}

func shownLimits(limits tumar.Limits) map[string]float64 {
	return map[string]float64{
		"max_request_bytes": float64(limits.MaxRequestBytes), "max_samples": float64(limits.MaxSamples),
		"request_retention_seconds": limits.Retention.Seconds(),
	}
}

func checkReceipts(text []byte) error {
	var file struct {
		Call, Message, Transcript string
		A                         receiptVector
		Cases                     []struct {
			Name, Fault, Party string
			Receipts           []string
		}
		Found struct {
			Candidates    []string
			Truncated     bool
			Bytes, Digest string
		}
	}
	into(text, &file)
	prepared := must(vectors.Prepared(file.Call, unhex(file.Message)))
	faults := []error{
		agreeHex("transcript", prepared.Transcript(), file.Transcript),
		agreeHex("found", tumar.FoundMessage(file.Found.Candidates, file.Found.Truncated), file.Found.Bytes),
		agreeHex("found", tumar.FoundDigest(file.Found.Candidates, file.Found.Truncated), file.Found.Digest),
	}
	for _, c := range file.Cases {
		checked, err := tumar.CheckReceipts(must(vectors.Receipts(c.Receipts)), prepared, vectorConfig())
		if untrusted, is := errors.AsType[*tumar.ReceiptNotTrusted](err); is {
			faults = append(faults, agree(c.Name, []string{string(untrusted.Fault), string(untrusted.Party)}, []string{c.Fault, c.Party}))
			continue
		}
		must(checked, err)
		outcome := map[string]string{"good, a match": "match", "good, no match": "no_match"}[c.Name]
		if outcome == "" {
			outcome = "match"
		}
		faults = append(faults, agree(c.Name, "", c.Fault), agree(c.Name, checked.Outcome(), outcome))
		if outcome == "match" {
			faults = append(faults, file.A.check(&checked[0]))
		}
	}
	return errors.Join(faults...)
}

type receiptVector struct {
	Signed, Checkpoint string
	LeafHash           string   `json:"leaf_hash"`
	LogIndex           uint64   `json:"log_index"`
	InclusionProof     []string `json:"inclusion_proof"`
}

func (v *receiptVector) check(receipt *tumar.Receipt) error {
	var path []string
	for _, hash := range receipt.InclusionProof {
		path = append(path, hex.EncodeToString(hash))
	}
	return errors.Join(
		agreeHex("what A signed", receipt.Message("kz-test"), v.Signed), agree("A's checkpoint", receipt.Checkpoint, v.Checkpoint),
		agreeHex("A's leaf", receipt.LeafHash, v.LeafHash), agree("A's index", receipt.LogIndex, v.LogIndex),
		agree("A's path", path, v.InclusionProof),
	)
}

func checkCertificates(text []byte) error {
	var file struct {
		Cases []struct {
			Name, Text string
			Fault      *string
		}
	}
	into(text, &file)
	var faults []error
	for _, c := range file.Cases {
		read, err := tumar.ParseErasureCertificate([]byte(c.Text))
		if err == nil {
			err = read.Verify(vectorConfig())
		}
		fault := ""
		if untrusted, is := errors.AsType[*tumar.CertificateNotTrusted](err); is {
			fault = string(untrusted.Fault)
		} else if _, is := errors.AsType[*tumar.ReceiptNotTrusted](err); is {
			fault = "receipt"
		} else {
			must(read, err)
		}
		if c.Fault != nil {
			faults = append(faults, agree(c.Name, fault, *c.Fault))
			continue
		}
		faults = append(faults, agree(c.Name, fault, ""), agree(c.Name, fault == "" && bytes.Equal(read.JSON(), []byte(c.Text)), true))
	}
	return errors.Join(faults...)
}

func TestTheReasonsAreThoseOfTheReadme(t *testing.T) {
	readme := string(must(os.ReadFile("../../README.md")))
	_, table, _ := strings.Cut(readme, "\n## Refusals\n")
	table, _, _ = strings.Cut(table, "\n## ")
	told := 0
	for line := range strings.SplitSeq(table, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		told++
		if reason := tumar.Reason(strings.Split(line, "`")[1]); !reason.Known() {
			t.Errorf("%s is not known", reason)
		}
	}
	same(t, len(tumar.KnownReasons), told)
}
