package main

import (
	"encoding/hex"
	"errors"
	"log"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	"tumar.example/tumar/internal/vectors"
	pb "tumar.example/tumar/v1"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Panic(err)
	}
	return value
}

func unhex(text string) []byte { return must(hex.DecodeString(text)) }

func quantise(q *question) answer {
	var asked struct{ Embedding string }
	q.into(&asked)
	template, err := tumar.Quantise(vectors.Floats(unhex(asked.Embedding)))
	faults := map[string]error{
		"not_finite": tumar.ErrNotFinite, "zero": tumar.ErrZero, "sparse": tumar.ErrSparse, "dimension": tumar.ErrDimension,
	}
	for word, fault := range faults {
		if errors.Is(err, fault) {
			return answer{"fault": word}
		}
	}
	return answer{"packed": hex.EncodeToString(must(template, err).Pack())}
}

func split(q *question) answer {
	var asked struct{ Packed, Masks string }
	q.into(&asked)
	components := vectors.Unpack(unhex(asked.Packed))
	rows, columns := 1, len(components)
	if columns%140 == 0 {
		rows, columns = columns/140, 140
	}
	template := must(tumar.NewTemplate(rows, columns, components))
	parts := must(tumar.SplitWith(template, unhex(asked.Masks)))
	return answer{"A": hex.EncodeToString(parts[0]), "B": hex.EncodeToString(parts[1]), "C": hex.EncodeToString(parts[2])}
}

func info(q *question) answer {
	var asked struct {
		vectors.Binding
		Party tumar.Party
		KeyID string `json:"key_id"`
	}
	q.into(&asked)
	return answer{"info": hex.EncodeToString(asked.Binding.Binding().Info(asked.Party, unhex(asked.KeyID)))}
}

func seal(q *question) answer {
	var asked struct{ Public, Info, Plaintext string }
	q.into(&asked)
	key := must(tumar.NewEnvelopeKey(unhex(asked.Public)))
	return answer{"envelope": hex.EncodeToString(must(key.Seal(unhex(asked.Plaintext), unhex(asked.Info))))}
}

func transcript(q *question) answer {
	prepared := asked(q)
	return answer{"bytes": hex.EncodeToString(prepared.TranscriptBytes()), "hash": hex.EncodeToString(prepared.Transcript())}
}

func asked(q *question) *tumar.Prepared {
	var asked struct{ Call, Message string }
	q.into(&asked)
	return must(vectors.Prepared(asked.Call, unhex(asked.Message)))
}

func person(q *question) answer {
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
	return answer{"key": hex.EncodeToString(key.ForNode(asked.Party)), "handles": handles}
}

func config(q *question) *tumar.ClientConfig {
	var asked struct{ Config string }
	q.into(&asked)
	return must(tumar.ReadClientConfig(asked.Config))
}

func committee(q *question) answer {
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
	keys := answer{}
	for place, key := range must(checked, err).Keys {
		keys[string("ABC"[place])] = hex.EncodeToString(key.ID())
	}
	return answer{"keys": keys, "until": checked.Until}
}

func faulty(fault string, party tumar.Party) answer {
	made := answer{"fault": fault}
	if party != "" {
		made["party"] = party
	}
	return made
}

func receipts(q *question) answer {
	var members struct{ Receipts []string }
	q.into(&members)
	checked, err := tumar.CheckReceipts(must(vectors.Receipts(members.Receipts)), asked(q), config(q))
	if untrusted, is := errors.AsType[*tumar.ReceiptNotTrusted](err); is {
		return faulty(string(untrusted.Fault), untrusted.Party)
	}
	return answer{"outcome": must(checked, err).Outcome()}
}

func found(q *question) answer {
	var asked struct {
		Candidates []string
		Truncated  bool
	}
	q.into(&asked)
	return answer{"digest": hex.EncodeToString(tumar.FoundDigest(asked.Candidates, asked.Truncated))}
}

func certificate(q *question) answer {
	var asked struct{ Text string }
	q.into(&asked)
	read, err := tumar.ParseErasureCertificate([]byte(asked.Text))
	if err == nil {
		err = read.Verify(config(q))
	}
	if untrusted, is := errors.AsType[*tumar.CertificateNotTrusted](err); is {
		return answer{"fault": untrusted.Fault}
	}
	if _, is := errors.AsType[*tumar.ReceiptNotTrusted](err); is {
		return answer{"fault": "receipt"}
	}
	return answer{"subject": must(read, err).Subject()}
}

type stamped struct {
	IAT int64
	JTI string
}

func (s *stamped) stamp() tumar.Stamp { return tumar.Stamp{IssuedAt: time.Unix(s.IAT, 0), ID: s.JTI} }

func proof(q *question) answer {
	var asked struct {
		stamped
		HTU, Token, Transcript string
	}
	q.into(&asked)
	made := tumar.Proof{HTU: asked.HTU, Token: asked.Token, Transcript: unhex(asked.Transcript), Stamp: asked.stamp()}
	return answer{"jws": must(made.Sign(config(q).ProofKey))}
}

func approval(q *question) answer {
	var asked struct {
		stamped
		Key, Name, Role, Deployment, Case string
		Details                           vectors.Details
	}
	q.into(&asked)
	key := must(tumar.ParseSigningKey([]byte(strings.TrimSpace(asked.Key))))
	return answer{"jws": must(tumar.Approve(key, tumar.Approval{
		Name: asked.Name, Role: asked.Role, Deployment: asked.Deployment, Details: asked.Details.Details(),
		CaseDigest: unhex(asked.Case), Stamp: asked.stamp(),
	}))}
}
