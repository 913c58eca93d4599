package tumar

import (
	"bytes"
	"slices"

	pb "tumar.example/tumar/v1"
)

const (
	erased = "erased"
	// hadNone is said by a node that held nothing of a person who was to be erased.
	hadNone = "had_none"
)

var outcomeWords = map[pb.Outcome]string{
	pb.Outcome_OUTCOME_MATCH: "match", pb.Outcome_OUTCOME_NO_MATCH: "no_match", pb.Outcome_OUTCOME_ENROLLED: "enrolled",
	pb.Outcome_OUTCOME_ERASED: erased, pb.Outcome_OUTCOME_LOCKED: "locked", pb.Outcome_OUTCOME_UNLOCKED: "unlocked",
	pb.Outcome_OUTCOME_SEARCHED: "searched", pb.Outcome_OUTCOME_LOGGED: "logged", pb.Outcome_OUTCOME_HAD_NONE: hadNone,
}

// Receipt is one node's signed statement of what it did with a request.
type Receipt struct {
	Party Party
	// Outcome is match, no_match, enrolled, erased, had_none, locked, unlocked or searched.
	Outcome    string
	Transcript []byte
	LogIndex   uint64
	LeafHash   []byte
	// InclusionProof has 32 bytes each, leaf side first.
	InclusionProof [][]byte
	// Checkpoint is a C2SP signed note. A careful client keeps it, to ask for consistency later.
	Checkpoint string
	Signature  []byte
	// Found is the digest of a search's result; empty of other calls.
	Found []byte
}

// parseReceipt checks lengths and words, and no signature yet.
func parseReceipt(party Party, receipt *pb.Receipt) (*Receipt, error) {
	word, known := outcomeWords[receipt.GetOutcome()]
	hashes := append([][]byte{receipt.GetRequestDigest(), receipt.GetLeafHash()}, receipt.GetInclusionProof()...)
	isShort := slices.ContainsFunc(hashes, func(hash []byte) bool { return len(hash) != 32 })
	number, found := receipt.GetParty(), receipt.GetFoundDigest()
	isParty := number == pb.Party_PARTY_A || number == pb.Party_PARTY_B || number == pb.Party_PARTY_C
	if !known || isShort || !isParty || len(receipt.GetSignature()) != 64 || len(found) != 0 && len(found) != 32 {
		return nil, &ReceiptNotTrusted{ReceiptForm, party}
	}
	if uint32(number) != party.number() {
		return nil, &ReceiptNotTrusted{Fault: ReceiptCount}
	}
	return &Receipt{
		party, word, receipt.GetRequestDigest(), receipt.GetLogIndex(), receipt.GetLeafHash(), receipt.GetInclusionProof(),
		receipt.GetCheckpoint(), receipt.GetSignature(), found,
	}, nil
}

// message is what is signed: all but the path, which proves itself against the checkpoint.
func (r *Receipt) message(deployment string) []byte {
	return framed(
		[]byte("tumar receipt v1"), []byte(deployment), []byte(r.Party), []byte(r.Outcome), r.Transcript, u64(r.LogIndex),
		r.LeafHash, digest([]byte(r.Checkpoint)), r.Found,
	)
}

// verify checks signature, checkpoint and place.
func (r *Receipt) verify(pin *NodePin, deployment string) error {
	if !isSigned(pin.Identity, r.Signature, r.message(deployment)) {
		return &ReceiptNotTrusted{ReceiptSignature, r.Party}
	}
	checkpoint, err := openCheckpoint(r.Checkpoint, pin.LogKey)
	if err != nil {
		return &ReceiptNotTrusted{ReceiptCheckpoint, r.Party}
	}
	if verifyInclusion(r.LeafHash, r.LogIndex, r.InclusionProof, checkpoint) != nil {
		return &ReceiptNotTrusted{ReceiptInclusion, r.Party}
	}
	return nil
}

// Receipts are three, of A, B and C, that were checked against pinned keys and against one request.
type Receipts [3]Receipt

// Outcome is what all three signed. Of an erasure it is erased, also if a node signed had_none.
func (r *Receipts) Outcome() string {
	if r[0].Outcome == hadNone {
		return erased
	}
	return r[0].Outcome
}

// CheckReceipts accepts three valid receipts of this request, and nothing else. The error is a *ReceiptNotTrusted: the first fault that is
// found.
func CheckReceipts(receipts []*pb.Receipt, prepared *Prepared, config *ClientConfig) (*Receipts, error) {
	if len(receipts) != len(parties) {
		return nil, &ReceiptNotTrusted{Fault: ReceiptCount}
	}
	var made Receipts
	for place, party := range parties {
		parsed, err := parseReceipt(party, receipts[place])
		if err != nil {
			return nil, err
		}
		made[place] = *parsed
	}
	if err := made.agree(prepared.transcript, prepared.call.outcomes, &config.Nodes, config.Deployment); err != nil {
		return nil, err
	}
	return &made, nil
}

// agree checks each by itself, and that all three say the same of this request.
func (r *Receipts) agree(transcript []byte, outcomes []string, pins *[3]NodePin, deployment string) error {
	first := &r[0]
	for place := range r {
		receipt := &r[place]
		if err := receipt.verify(&pins[place], deployment); err != nil {
			return err
		}
		hasFound := len(receipt.Found) != 0
		switch {
		case !bytes.Equal(receipt.Transcript, transcript):
			return &ReceiptNotTrusted{ReceiptOtherRequest, receipt.Party}
		case !slices.Contains(outcomes, receipt.Outcome) || !goTogether(receipt.Outcome, first.Outcome):
			return &ReceiptNotTrusted{ReceiptOutcome, receipt.Party}
		case !bytes.Equal(receipt.Found, first.Found) || hasFound != (first.Outcome == "searched"):
			return &ReceiptNotTrusted{ReceiptFound, receipt.Party}
		}
	}
	if r[0].Outcome == hadNone && r[1].Outcome == hadNone && r[2].Outcome == hadNone {
		return &ReceiptNotTrusted{ReceiptOutcome, PartyA}
	}
	return nil
}

// goTogether tells whether two nodes may say this of one request: the same; or of an erasure, that one of them held nothing.
func goTogether(one, other string) bool {
	isErasure := func(word string) bool { return word == erased || word == hadNone }
	return one == other || isErasure(one) && isErasure(other)
}

// FoundDigest is what receipts of a search sign of its result.
func FoundDigest(candidates []string, truncated bool) []byte {
	return digest(foundMessage(candidates, truncated))
}

func foundMessage(candidates []string, truncated bool) []byte {
	flag := byte(0)
	if truncated {
		flag = 1
	}
	fields := [][]byte{[]byte("tumar found v1"), {flag}}
	for _, candidate := range candidates {
		fields = append(fields, []byte(candidate))
	}
	return framed(fields...)
}
