package tumar

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"

	pb "tumar.example/tumar/v1"
)

const certificateKind = "tumar erasure certificate 3"

// ErasureCertificate is three nodes' signed word that a person's record key is destroyed, or that the node held none. It can be checked
// offline, with their public keys.
type ErasureCertificate struct{ shown shownCertificate }

// shownCertificate is its form as JSON; the order of members says nothing.
type shownCertificate struct {
	Kind       string         `json:"kind"`
	Deployment string         `json:"deployment"`
	Client     string         `json:"client"`
	RequestID  string         `json:"request_id"`
	Gallery    string         `json:"gallery"`
	Subject    string         `json:"subject"`
	Purpose    string         `json:"purpose"`
	Receipts   []shownReceipt `json:"receipts"`
}

type shownReceipt struct {
	Party          string   `json:"party"`
	Outcome        string   `json:"outcome"`
	LogIndex       uint64   `json:"log_index"`
	LeafHash       string   `json:"leaf_hash"`
	InclusionProof []string `json:"inclusion_proof"`
	Checkpoint     string   `json:"checkpoint"`
	Signature      string   `json:"signature"`
}

func newCertificate(deployment string, prepared *Prepared, receipts *Receipts) *ErasureCertificate {
	message := prepared.message.(*pb.EraseSubjectRequest)
	shown := shownCertificate{
		certificateKind, deployment, message.GetClient(), message.GetRequestId(), message.GetGallery(), message.GetSubject(),
		message.GetPurpose(), nil,
	}
	for _, receipt := range receipts {
		path := []string{}
		for _, hash := range receipt.InclusionProof {
			path = append(path, hex.EncodeToString(hash))
		}
		shown.Receipts = append(shown.Receipts, shownReceipt{
			string(receipt.Party), receipt.Outcome, receipt.LogIndex, hex.EncodeToString(receipt.LeafHash), path, receipt.Checkpoint,
			hex.EncodeToString(receipt.Signature),
		})
	}
	return &ErasureCertificate{shown}
}

// ParseErasureCertificate reads what JSON gave. It proves nothing until it is verified. The error is a *CertificateNotTrusted.
func ParseErasureCertificate(text []byte) (*ErasureCertificate, error) {
	made := new(ErasureCertificate)
	if err := made.parse(text); err != nil {
		return nil, &CertificateNotTrusted{CertificateForm}
	}
	return made, nil
}

func (c *ErasureCertificate) parse(text []byte) error {
	// encoding/json takes unknown, missing, doubled and miswritten members; the certificate's form does not.
	if err := exactMembers(text, "kind", "deployment", "client", "request_id", "gallery", "subject", "purpose", "receipts"); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &c.shown); err != nil {
		return err
	}
	var raw struct {
		Receipts []json.RawMessage `json:"receipts"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	for _, receipt := range raw.Receipts {
		err := exactMembers(receipt, "party", "outcome", "log_index", "leaf_hash", "inclusion_proof", "checkpoint", "signature")
		if err != nil {
			return err
		}
	}
	if c.shown.Kind != certificateKind || len(c.shown.Receipts) != len(parties) {
		return errors.New("not a certificate")
	}
	return nil
}

// exactMembers tells whether a text is one JSON object with exactly these members, each once and none null.
func exactMembers(text []byte, names ...string) error {
	left := map[string]bool{}
	for _, name := range names {
		left[name] = true
	}
	reader := json.NewDecoder(bytes.NewReader(text))
	if start, err := reader.Token(); err != nil || start != json.Delim('{') {
		return errors.New("not an object")
	}
	for reader.More() {
		name, err := reader.Token()
		if err != nil {
			return err
		}
		member, _ := name.(string)
		if !left[member] {
			return errors.New("a member too much")
		}
		delete(left, member)
		var value json.RawMessage
		if err := reader.Decode(&value); err != nil {
			return err
		}
		if string(value) == "null" {
			return errors.New("a member without a value")
		}
	}
	if _, err := reader.Token(); err != nil || len(left) != 0 {
		return errors.New("a member is missing")
	}
	return nil
}

// JSON is the certificate to keep.
func (c *ErasureCertificate) JSON() []byte {
	var made bytes.Buffer
	writer := json.NewEncoder(&made)
	writer.SetEscapeHTML(false)
	writer.SetIndent("", "  ")
	if err := writer.Encode(c.shown); err != nil {
		panic("texts and numbers are JSON: " + err.Error())
	}
	return made.Bytes()
}

// Subject is who was erased.
func (c *ErasureCertificate) Subject() string { return c.shown.Subject }

// HadNone are the nodes that say that they held nothing of the person: they had lost what the others held.
func (c *ErasureCertificate) HadNone() (parties []Party) {
	for _, receipt := range c.shown.Receipts {
		if receipt.Outcome == hadNone {
			parties = append(parties, Party(receipt.Party))
		}
	}
	return parties
}

// Verify checks all three signatures and places. The error is a *CertificateNotTrusted or a *ReceiptNotTrusted.
func (c *ErasureCertificate) Verify(config *ClientConfig) error {
	if c.shown.Deployment != config.Deployment {
		return &CertificateNotTrusted{CertificateDeployment}
	}
	prepared, err := NewPrepared(&pb.EraseSubjectRequest{
		RequestId: c.shown.RequestID, Gallery: c.shown.Gallery, Subject: c.shown.Subject, Purpose: c.shown.Purpose, Client: c.shown.Client,
	})
	if err != nil {
		return &CertificateNotTrusted{CertificateForm}
	}
	var receipts Receipts
	for place := range c.shown.Receipts {
		receipt, err := c.shown.Receipts[place].receipt(parties[place], prepared.transcript)
		if err != nil {
			return &CertificateNotTrusted{CertificateForm}
		}
		receipts[place] = *receipt
	}
	return receipts.agree(prepared.transcript, prepared.call.outcomes, &config.Nodes, config.Deployment)
}

func (s *shownReceipt) receipt(party Party, transcript []byte) (*Receipt, error) {
	leaf, ofLeaf := fromHex(s.LeafHash, 32)
	signature, ofSignature := fromHex(s.Signature, 64)
	if err := errors.Join(ofLeaf, ofSignature); err != nil {
		return nil, err
	}
	if s.Party != string(party) || s.Outcome != erased && s.Outcome != hadNone {
		return nil, errors.New("another party's receipt, or of another call")
	}
	path := make([][]byte, len(s.InclusionProof))
	for place, text := range s.InclusionProof {
		hash, err := fromHex(text, 32)
		if err != nil {
			return nil, err
		}
		path[place] = hash
	}
	return &Receipt{party, s.Outcome, transcript, s.LogIndex, leaf, path, s.Checkpoint, signature, nil}, nil
}
