// Package vectors reads the parts of conformance vectors that the tests and the program for vectors/conform.py have in common.
package vectors

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	pb "tumar.example/tumar/v1"
)

// Floats reads 32-bit floats, little-endian.
func Floats(data []byte) []float32 {
	made := make([]float32, len(data)/4)
	for place := range made {
		made[place] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*place:]))
	}
	return made
}

// Unpack takes two components out of each byte, the low nibble first.
func Unpack(packed []byte) []int8 {
	made := make([]int8, 0, 2*len(packed))
	for _, both := range packed {
		made = append(made, int8(both<<4)>>4, int8(both)>>4)
	}
	return made
}

// Binding has the members of a case of envelopes.json.
type Binding struct {
	Deployment    string
	RelyingParty  string `json:"relying_party"`
	Client        string
	Path          string
	Purpose       string
	RequestID     string `json:"request_id"`
	Gallery       string
	Subject       string
	Modality      tumar.Modality
	Model         string
	AmountKZT     uint64 `json:"amount_kzt"`
	CaptureMinute uint32 `json:"capture_minute"`
}

// Binding is the client's. A false id gives an empty one, and so another info than the vector's.
func (b *Binding) Binding() *tumar.Binding {
	id, err := hex.DecodeString(strings.ReplaceAll(b.RequestID, "-", ""))
	if err != nil || strings.ToLower(b.RequestID) != b.RequestID {
		id = nil
	}
	return &tumar.Binding{
		Deployment: b.Deployment, RelyingParty: b.RelyingParty, Client: b.Client, Path: b.Path, Purpose: b.Purpose, RequestID: id,
		Gallery: b.Gallery, Subject: b.Subject, Modality: b.Modality, Model: b.Model, AmountKZT: b.AmountKZT,
		CaptureMinute: b.CaptureMinute,
	}
}

// Details has the members of an element of authorization_details.
type Details struct {
	Type         string
	Purpose      string
	Actions      []string
	RelyingParty string `json:"relying_party"`
	Galleries    []string
	Modalities   []tumar.Modality
	MaxUses      int    `json:"max_uses"`
	LegalBasis   string `json:"legal_basis"`
}

// Details are the client's.
func (d *Details) Details() tumar.Details {
	return tumar.Details{
		Purpose: d.Purpose, Actions: d.Actions, RelyingParty: d.RelyingParty, Galleries: d.Galleries, Modalities: d.Modalities,
		MaxUses: d.MaxUses, LegalBasis: d.LegalBasis,
	}
}

// Prepared is a request of which the vectors have the message.
func Prepared(call string, message []byte) (*tumar.Prepared, error) {
	requests := map[string]tumar.Message{
		"EnrollSubject": new(pb.EnrollSubjectRequest), "VerifySubject": new(pb.VerifySubjectRequest),
		"EraseSubject": new(pb.EraseSubjectRequest), "LockSubject": new(pb.LockSubjectRequest),
		"UnlockSubject": new(pb.UnlockSubjectRequest), "SearchGallery": new(pb.SearchGalleryRequest),
	}
	request := requests[call]
	if request == nil {
		return nil, fmt.Errorf("no call: %s", call)
	}
	if err := proto.Unmarshal(message, request); err != nil {
		return nil, err
	}
	return tumar.NewPrepared(request)
}

// Receipts reads those of a case, in hexadecimal.
func Receipts(texts []string) ([]*pb.Receipt, error) {
	var made []*pb.Receipt
	for _, text := range texts {
		raw, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		receipt := new(pb.Receipt)
		if err := proto.Unmarshal(raw, receipt); err != nil {
			return nil, err
		}
		made = append(made, receipt)
	}
	return made, nil
}
