package tumar_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	"tumar.example/tumar/internal/vectors"
	pb "tumar.example/tumar/v1"
)

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
		var without []tumar.Party
		if strings.Contains(c.Name, "B had lost") {
			without = []tumar.Party{tumar.PartyB}
		}
		faults = append(faults, agree(c.Name, fault, ""), agree(c.Name, read.HadNone(), without))
		faults = append(faults, agree(c.Name, fault == "" && bytes.Equal(read.JSON(), []byte(c.Text)), true))
	}
	return errors.Join(faults...)
}

func TestTheReasonsAreThoseOfTheTable(t *testing.T) {
	_, table, _ := strings.Cut(string(must(os.ReadFile("../../docs/reasons.md"))), "\n## Refusals\n")
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
