// Package answers answers the questions of vectors/conform.py by this client.
package answers

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	"tumar.example/tumar/finger"
	"tumar.example/tumar/internal/vectors"
	pb "tumar.example/tumar/v1"
)

// Answer is what the runner is told.
type Answer map[string]any

// Question is a line of the runner's.
type Question struct {
	Ask  string `json:"ask"`
	line []byte
}

// into reads the question's members. Members that are not asked for are left out.
func (q *Question) into(members any) {
	if err := json.Unmarshal(q.line, members); err != nil {
		log.Panicf("%s: %v", q.Ask, err)
	}
}

// Serve answers one question after the other, until there are no more.
func Serve(questions io.Reader, written io.Writer, answers map[string]func(*Question) Answer) error {
	lines, writer := bufio.NewScanner(questions), json.NewEncoder(written)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		asked := &Question{line: lines.Bytes()}
		asked.into(asked)
		made := Answer{"unsupported": true}
		if known := answers[asked.Ask]; known != nil {
			made = known(asked)
		}
		if err := writer.Encode(made); err != nil {
			return err
		}
	}
	return lines.Err()
}

// All has an answer to each question that the client has a use for.
func All() map[string]func(*Question) Answer {
	return map[string]func(*Question) Answer{
		"quantise": quantise, "split": split, "info": info, "seal": seal, "transcript": transcript, "person": person,
		"committee": committee, "receipts": receipts, "found": found, "certificate": certificate, "proof": proof, "approval": approval,
		"finger": fingers,
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Panic(err)
	}
	return value
}

func unhex(text string) []byte { return must(hex.DecodeString(text)) }

func quantise(q *Question) Answer {
	var asked struct{ Embedding string }
	q.into(&asked)
	template, err := tumar.Quantise(vectors.Floats(unhex(asked.Embedding)))
	faults := map[string]error{
		"not_finite": tumar.ErrNotFinite, "zero": tumar.ErrZero, "sparse": tumar.ErrSparse, "dimension": tumar.ErrDimension,
	}
	for word, fault := range faults {
		if errors.Is(err, fault) {
			return Answer{"fault": word}
		}
	}
	return Answer{"packed": hex.EncodeToString(must(template, err).Pack())}
}

func split(q *Question) Answer {
	var asked struct{ Packed, Masks string }
	q.into(&asked)
	components := vectors.Unpack(unhex(asked.Packed))
	rows, columns := 1, len(components)
	if columns%140 == 0 {
		rows, columns = columns/140, 140
	}
	template := must(tumar.NewTemplate(rows, columns, components))
	parts := must(tumar.SplitWith(template, unhex(asked.Masks)))
	return Answer{"A": hex.EncodeToString(parts[0]), "B": hex.EncodeToString(parts[1]), "C": hex.EncodeToString(parts[2])}
}

func info(q *Question) Answer {
	var asked struct {
		vectors.Binding
		Party tumar.Party
		KeyID string `json:"key_id"`
	}
	q.into(&asked)
	return Answer{"info": hex.EncodeToString(asked.Binding.Binding().Info(asked.Party, unhex(asked.KeyID)))}
}

func seal(q *Question) Answer {
	var asked struct{ Public, Info, Plaintext string }
	q.into(&asked)
	key := must(tumar.NewEnvelopeKey(unhex(asked.Public)))
	return Answer{"envelope": hex.EncodeToString(must(key.Seal(unhex(asked.Plaintext), unhex(asked.Info))))}
}

func transcript(q *Question) Answer {
	prepared := asked(q)
	return Answer{"bytes": hex.EncodeToString(prepared.TranscriptBytes()), "hash": hex.EncodeToString(prepared.Transcript())}
}

func asked(q *Question) *tumar.Prepared {
	var asked struct{ Call, Message string }
	q.into(&asked)
	return must(vectors.Prepared(asked.Call, unhex(asked.Message)))
}

func person(q *Question) Answer {
	var asked struct {
		File     string
		Party    tumar.Party
		Counters []uint64
	}
	q.into(&asked)
	key, handles := must(tumar.ParsePersonKey(asked.File)), []string{}
	for _, counter := range asked.Counters {
		handles = append(handles, hex.EncodeToString(key.Handle(asked.Party, counter)))
	}
	return Answer{"key": hex.EncodeToString(key.ForNode(asked.Party)), "handles": handles}
}

func config(q *Question) *tumar.ClientConfig {
	var asked struct{ Config string }
	q.into(&asked)
	return must(tumar.ReadClientConfig(asked.Config))
}

func committee(q *Question) Answer {
	var asked struct{ Answer string }
	q.into(&asked)
	var message pb.GetCommitteeResponse
	if err := proto.Unmarshal(unhex(asked.Answer), &message); err != nil {
		log.Panic(err)
	}
	checked, err := tumar.CheckCommittee(&message, config(q))
	if untrusted, is := errors.AsType[*tumar.CommitteeNotTrusted](err); is {
		return faulty(string(untrusted.Fault), untrusted.Party)
	}
	keys := Answer{}
	for place, key := range must(checked, err).Keys {
		keys[string("ABC"[place])] = hex.EncodeToString(key.ID())
	}
	return Answer{"keys": keys, "until": checked.Until}
}

func faulty(fault string, party tumar.Party) Answer {
	made := Answer{"fault": fault}
	if party != "" {
		made["party"] = party
	}
	return made
}

func receipts(q *Question) Answer {
	var members struct{ Receipts []string }
	q.into(&members)
	checked, err := tumar.CheckReceipts(must(vectors.Receipts(members.Receipts)), asked(q), config(q))
	if untrusted, is := errors.AsType[*tumar.ReceiptNotTrusted](err); is {
		return faulty(string(untrusted.Fault), untrusted.Party)
	}
	return Answer{"outcome": must(checked, err).Outcome()}
}

func found(q *Question) Answer {
	var asked struct {
		Candidates []string
		Truncated  bool
	}
	q.into(&asked)
	return Answer{"digest": hex.EncodeToString(tumar.FoundDigest(asked.Candidates, asked.Truncated))}
}

func certificate(q *Question) Answer {
	var asked struct{ Text string }
	q.into(&asked)
	read, err := tumar.ParseErasureCertificate([]byte(asked.Text))
	if err == nil {
		err = read.Verify(config(q))
	}
	if untrusted, is := errors.AsType[*tumar.CertificateNotTrusted](err); is {
		return Answer{"fault": untrusted.Fault}
	}
	if _, is := errors.AsType[*tumar.ReceiptNotTrusted](err); is {
		return Answer{"fault": "receipt"}
	}
	return Answer{"subject": must(read, err).Subject()}
}

type stamped struct {
	IAT int64
	JTI string
}

func (s *stamped) stamp() tumar.Stamp { return tumar.Stamp{IssuedAt: time.Unix(s.IAT, 0), ID: s.JTI} }

func proof(q *Question) Answer {
	var asked struct {
		stamped
		HTU, Token, Transcript string
	}
	q.into(&asked)
	made := tumar.Proof{HTU: asked.HTU, Token: asked.Token, Transcript: unhex(asked.Transcript), Stamp: asked.stamp()}
	return Answer{"jws": must(made.Sign(config(q).ProofKey))}
}

func approval(q *Question) Answer {
	var asked struct {
		stamped
		Key, Name, Role, Deployment, Case string
		Details                           vectors.Details
	}
	q.into(&asked)
	key := must(tumar.ParseSigningKey([]byte(strings.TrimSpace(asked.Key))))
	return Answer{"jws": must(tumar.Approve(key, tumar.Approval{
		Name: asked.Name, Role: asked.Role, Deployment: asked.Deployment, Details: asked.Details.Details(),
		CaseDigest: unhex(asked.Case), Stamp: asked.stamp(),
	}))}
}

func fingers(q *Question) Answer {
	var asked struct{ Record string }
	q.into(&asked)
	set, err := finger.Rows(unhex(asked.Record))
	if refused, is := errors.AsType[*finger.Error](err); is {
		return Answer{"reason": refused.Reason}
	}
	vector, err := finger.Vector(unhex(asked.Record))
	if refused, is := errors.AsType[*finger.Error](err); is {
		return Answer{"reason": refused.Reason}
	}
	return Answer{"set": hex.EncodeToString(must(set, err).Pack()), "vector": hex.EncodeToString(must(vector, err).Pack())}
}
