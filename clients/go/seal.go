package tumar

import (
	"time"

	pb "tumar.example/tumar/v1"
)

const (
	maxReferences = 32
	maxProbes     = 2
)

// Capture is a template, and the name of the model that made it.
type Capture struct {
	Model    string
	Template *Template
}

// Target is whom a call is about, and what for.
type Target struct{ Gallery, Subject, Purpose string }

// Enrolment takes 1 to 32 references in, all of them or none.
type Enrolment struct {
	Target     Target
	References []Capture
	// Person is made by Client.Enroll if nil.
	Person *PersonKey
	// Captured is when the person stood there; now if zero.
	Captured time.Time
}

// Verification compares one probe, or two of different modalities, with a person's references.
type Verification struct {
	Target Target
	Probes []Capture
	// AmountKZT is the whole tenge at stake; 0 where nothing is.
	AmountKZT uint64
	// Captured is when the person stood there; now if zero.
	Captured time.Time
}

// Search compares one vector, or a face and a finger, with everybody in a gallery.
type Search struct {
	Gallery, Purpose string
	// CaseDigest is the SHA-256 of the file of the case.
	CaseDigest []byte
	// Approvals are two officers'.
	Approvals []string
	// MaxCandidates is 8 if 0.
	MaxCandidates uint32
	Probes        []Capture
	// Captured is when the person stood there; now if zero.
	Captured time.Time
	// Watch, if there is one, is told how many blocks of the gallery are compared, and how many there are.
	Watch func(done, blocks uint32)
}

// sealer makes the samples of one request.
type sealer struct {
	config    *ClientConfig
	committee *Committee
	binding   Binding
}

// newSealer begins a request with an id of its own.
func newSealer(config *ClientConfig, committee *Committee, call string, target Target, captured time.Time) (*sealer, error) {
	minute := orNow(captured).Unix() / 60
	if minute < 0 || minute != int64(uint32(minute)) {
		return nil, inputError("%v is no time of a capture", captured)
	}
	return &sealer{config, committee, Binding{
		Deployment: config.Deployment, RelyingParty: config.RelyingParty, Client: config.Client, Path: service + call,
		Purpose: target.Purpose, RequestID: drawUUID(), Gallery: target.Gallery, Subject: target.Subject,
		CaptureMinute: uint32(minute),
	}}, nil
}

func (s *sealer) samples(captures []Capture, most int, person *PersonKey) ([]*pb.Sample, error) {
	if len(captures) < 1 || len(captures) > most {
		return nil, inputError("1 to %d samples are due, not %d", most, len(captures))
	}
	var samples []*pb.Sample
	for place, capture := range captures {
		model, err := s.committee.model(capture.Model, capture.Template)
		if err != nil {
			return nil, err
		}
		binding := s.binding
		binding.Modality, binding.Model = model.Modality, model.ID
		if place > 0 {
			// The nodes look for their keys in the first sample of an enrolment.
			person = nil
		}
		sealed, err := SealSample(capture.Template, s.committee.Keys, &binding, person)
		if err != nil {
			return nil, err
		}
		modality := pb.Modality_MODALITY_FACE
		if model.Modality == Finger {
			modality = pb.Modality_MODALITY_FINGER
		}
		samples = append(samples, &pb.Sample{
			Modality: modality, Model: model.ID, EnvelopeA: sealed[0], EnvelopeB: sealed[1], EnvelopeC: sealed[2],
		})
	}
	return samples, nil
}

func sealEnrolment(config *ClientConfig, committee *Committee, asked Enrolment) (*Prepared, error) {
	if asked.Person == nil {
		return nil, inputError("an enrolment that is prepared needs the person's key: NewPersonKey draws it")
	}
	s, err := newSealer(config, committee, "EnrollSubject", asked.Target, asked.Captured)
	if err != nil {
		return nil, err
	}
	samples, err := s.samples(asked.References, maxReferences, asked.Person)
	if err != nil {
		return nil, err
	}
	return NewPrepared(&pb.EnrollSubjectRequest{
		RequestId: uuidText(s.binding.RequestID), Gallery: asked.Target.Gallery, Subject: asked.Target.Subject,
		Purpose: asked.Target.Purpose, Samples: samples, Client: config.Client, CaptureMinute: s.binding.CaptureMinute,
	})
}

func sealVerification(config *ClientConfig, committee *Committee, asked Verification) (*Prepared, error) {
	s, err := newSealer(config, committee, "VerifySubject", asked.Target, asked.Captured)
	if err != nil {
		return nil, err
	}
	s.binding.AmountKZT = asked.AmountKZT
	samples, err := s.samples(asked.Probes, maxProbes, nil)
	if err != nil {
		return nil, err
	}
	return NewPrepared(&pb.VerifySubjectRequest{
		RequestId: uuidText(s.binding.RequestID), Gallery: asked.Target.Gallery, Subject: asked.Target.Subject,
		Purpose: asked.Target.Purpose, AmountKzt: asked.AmountKZT, Samples: samples, Client: config.Client,
		CaptureMinute: s.binding.CaptureMinute,
	})
}

func sealSearch(config *ClientConfig, committee *Committee, asked Search) (*Prepared, error) {
	s, err := newSealer(config, committee, "SearchGallery", Target{asked.Gallery, "", asked.Purpose}, asked.Captured)
	if err != nil {
		return nil, err
	}
	samples, err := s.samples(asked.Probes, maxProbes, nil)
	if err != nil {
		return nil, err
	}
	most := asked.MaxCandidates
	if most == 0 {
		most = 8
	}
	return NewPrepared(&pb.SearchGalleryRequest{
		RequestId: uuidText(s.binding.RequestID), Gallery: asked.Gallery, Purpose: asked.Purpose, CaseDigest: asked.CaseDigest,
		MaxCandidates: most, Samples: samples, Approvals: asked.Approvals, Client: config.Client,
		CaptureMinute: s.binding.CaptureMinute,
	})
}

// withoutSamples is an erasure, a lock, or the end of a lock.
func withoutSamples(config *ClientConfig, call string, target Target) (*Prepared, error) {
	id := uuidText(drawUUID())
	switch call {
	case "EraseSubject":
		return NewPrepared(&pb.EraseSubjectRequest{
			RequestId: id, Gallery: target.Gallery, Subject: target.Subject, Purpose: target.Purpose, Client: config.Client,
		})
	case "LockSubject":
		return NewPrepared(&pb.LockSubjectRequest{
			RequestId: id, Gallery: target.Gallery, Subject: target.Subject, Purpose: target.Purpose, Client: config.Client,
		})
	default:
		return NewPrepared(&pb.UnlockSubjectRequest{
			RequestId: id, Gallery: target.Gallery, Subject: target.Subject, Purpose: target.Purpose, Client: config.Client,
		})
	}
}
