package tumar_test

import (
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	"tumar.example/tumar/finger"
	"tumar.example/tumar/internal/vectors"
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
