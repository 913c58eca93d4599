package tumar

import (
	"bytes"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "tumar.example/tumar/v1"
)

const (
	service = "/tumar.v1.MatchingService/"
	kept    = "tumar go request v1 "
)

// Message is a request of one of the calls to MatchingService that Prepared knows.
type Message interface {
	proto.Message
	GetRequestId() string
	GetGallery() string
	GetPurpose() string
	GetClient() string
}

type withSubject interface{ GetSubject() string }

type withSamples interface {
	GetSamples() []*pb.Sample
	GetCaptureMinute() uint32
}

// withReceipts is an answer.
type withReceipts interface {
	proto.Message
	GetReceipts() []*pb.Receipt
}

// call is what is known of one of them. Request and answer are empty, to make others of.
type call struct {
	name     string
	request  Message
	answer   withReceipts
	outcomes []string
}

var calls = []call{
	{"EnrollSubject", new(pb.EnrollSubjectRequest), new(pb.EnrollSubjectResponse), []string{"enrolled"}},
	{"VerifySubject", new(pb.VerifySubjectRequest), new(pb.VerifySubjectResponse), []string{"match", "no_match"}},
	{"EraseSubject", new(pb.EraseSubjectRequest), new(pb.EraseSubjectResponse), []string{erased, hadNone}},
	{"LockSubject", new(pb.LockSubjectRequest), new(pb.LockSubjectResponse), []string{"locked"}},
	{"UnlockSubject", new(pb.UnlockSubjectRequest), new(pb.UnlockSubjectResponse), []string{"unlocked"}},
	{"SearchGallery", new(pb.SearchGalleryRequest), new(pb.SearchResult), []string{"searched"}},
}

// another is a new message of the same kind.
func another[M proto.Message](message M) M {
	return message.ProtoReflect().New().Interface().(M)
}

func callNamed(name string) *call {
	for place := range calls {
		if calls[place].name == name {
			return &calls[place]
		}
	}
	return nil
}

// Prepared is one request, ready to be sent. It holds no secret, as its shares are sealed, but it names the person.
type Prepared struct {
	call       *call
	message    Message
	fields     []byte
	transcript []byte
}

// NewPrepared takes a message that another program made. It must not be changed afterwards.
func NewPrepared(message Message) (*Prepared, error) {
	name := strings.TrimSuffix(string(message.ProtoReflect().Descriptor().Name()), "Request")
	call := callNamed(name)
	if call == nil {
		return nil, inputError("%s is not a call of this client", name)
	}
	fields, err := transcriptFields(service+name, message)
	if err != nil {
		return nil, err
	}
	framed := framed(fields...)
	return &Prepared{call, message, framed, digest(framed)}, nil
}

// ParsePrepared takes what Bytes gave.
func ParsePrepared(data []byte) (*Prepared, error) {
	head, body, _ := bytes.Cut(data, []byte("\n"))
	name, isKept := strings.CutPrefix(string(head), kept)
	call := callNamed(name)
	if !isKept || call == nil {
		return nil, inputError("not a request as this version stores it")
	}
	message := another(call.request)
	if err := proto.Unmarshal(body, message); err != nil {
		return nil, inputError("not a request as this version stores it: %v", err)
	}
	return NewPrepared(message)
}

// Bytes are to be stored before the request is sent: after a crash the same request can be sent again, also with a new token.
func (p *Prepared) Bytes() ([]byte, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.message)
	if err != nil {
		return nil, inputError("%v", err)
	}
	return append([]byte(kept+p.call.name+"\n"), body...), nil
}

// Call is its name, such as VerifySubject.
func (p *Prepared) Call() string { return p.call.name }

// Path is gRPC's, with its leading slash.
func (p *Prepared) Path() string { return service + p.call.name }

// Message is what is sent. It must not be changed.
func (p *Prepared) Message() Message { return p.message }

// RequestID is the UUID by which nodes know the request.
func (p *Prepared) RequestID() string { return p.message.GetRequestId() }

// Transcript is the SHA-256 over every field: what a proof signs as rqh, and what all three receipts must be of.
func (p *Prepared) Transcript() []byte { return append([]byte(nil), p.transcript...) }

// TranscriptBytes is what Transcript hashes.
func (p *Prepared) TranscriptBytes() []byte { return append([]byte(nil), p.fields...) }

// transcriptFields are the fields of a request's transcript, in their order.
func transcriptFields(path string, message Message) ([][]byte, error) {
	id, err := parseUUID(message.GetRequestId())
	if err != nil {
		return nil, inputError("request_id: %v", err)
	}
	fields := [][]byte{
		[]byte("tumar request v2"), []byte(path), []byte(message.GetClient()), id, []byte(message.GetGallery()),
	}
	switch about := message.(type) {
	case *pb.SearchGalleryRequest:
		approvals := about.GetApprovals()
		fields = append(fields, nil, about.GetCaseDigest(), u32(about.GetMaxCandidates()), u64(uint64(len(approvals))))
		for _, approval := range approvals {
			fields = append(fields, []byte(approval))
		}
	case withSubject:
		fields = append(fields, []byte(about.GetSubject()))
	}
	amount, minute, samples := uint64(0), uint32(0), []*pb.Sample(nil)
	if compared, is := message.(withSamples); is {
		minute, samples = compared.GetCaptureMinute(), compared.GetSamples()
	}
	if verification, is := message.(*pb.VerifySubjectRequest); is {
		amount = verification.GetAmountKzt()
	}
	fields = append(fields, []byte(message.GetPurpose()), u64(amount), u32(minute), u64(uint64(len(samples))))
	for _, sample := range samples {
		modality, known := modalities[sample.GetModality()]
		if !known {
			return nil, inputError("a sample is neither of a face nor of a finger")
		}
		fields = append(fields, []byte(modality), []byte(sample.GetModel()))
		for _, envelope := range [][]byte{sample.GetEnvelopeA(), sample.GetEnvelopeB(), sample.GetEnvelopeC()} {
			fields = append(fields, digest(envelope))
		}
	}
	return fields, nil
}
