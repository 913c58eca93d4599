package tumar

import (
	"bytes"
	"time"

	pb "tumar.example/tumar/v1"
)

// Modality is what a template is made from: Face or Finger.
type Modality string

// The two.
const (
	Face   Modality = "face"
	Finger Modality = "finger"
)

var modalities = map[pb.Modality]Modality{pb.Modality_MODALITY_FACE: Face, pb.Modality_MODALITY_FINGER: Finger}

// Model is an extractor that the nodes serve. Only the leader says so, and no node signs it: a false model leads to a refusal, not to a
// disclosure.
type Model struct {
	ID       string
	Modality Modality
	// IsRows tells a set of rows from a vector.
	IsRows bool
	// Dimension is the number of components of a vector, or of each row.
	Dimension int
}

// Takes tells whether the model makes templates of this shape.
func (m *Model) Takes(template *Template) bool {
	return template.columns == m.Dimension && (template.rows > 1) == m.IsRows
}

// Limits is what a request may not exceed. Only the leader says so.
type Limits struct {
	MaxRequestBytes, MaxSamples uint32
	// Retention is for how long a repeated request is given the same answer.
	Retention time.Duration
}

// Committee is a checked answer to GetCommittee.
type Committee struct {
	// Keys are the current ones of A, B and C.
	Keys [3]*EnvelopeKey
	// Until says in Unix seconds how long all three are taken.
	Until uint64
	// Models by their ids, in no order.
	Models map[string]Model
	// Context is the SHA-256 over policy and models in force, the same at all three nodes.
	Context []byte
	Limits  Limits
}

// CheckCommittee checks an answer against the pinned keys. The error is a *CommitteeNotTrusted: the first fault that is found.
func CheckCommittee(answer *pb.GetCommitteeResponse, config *ClientConfig) (*Committee, error) {
	if answer.GetDeployment() != config.Deployment {
		return nil, &CommitteeNotTrusted{Fault: CommitteeDeployment}
	}
	if len(answer.GetNodes()) != len(parties) {
		return nil, &CommitteeNotTrusted{Fault: CommitteeNodes}
	}
	made := &Committee{Context: answer.GetNodes()[0].GetContextDigest(), Until: ^uint64(0), Models: map[string]Model{}}
	for place, node := range answer.GetNodes() {
		key, fault := checkNode(node, &config.Nodes[place], made.Context, config.Deployment)
		if fault != "" {
			return nil, &CommitteeNotTrusted{fault, parties[place]}
		}
		made.Keys[place], made.Until = key, min(made.Until, node.GetEnvelopeKeys()[0].GetUntil())
	}
	if len(made.Context) != 32 {
		return nil, &CommitteeNotTrusted{CommitteeContext, PartyA}
	}
	for _, model := range answer.GetModels() {
		modality, known := modalities[model.GetModality()]
		isRows := model.GetEncoding() == pb.Encoding_ENCODING_ROWS
		if !known || !isRows && model.GetEncoding() != pb.Encoding_ENCODING_VECTOR || model.GetId() == "" {
			return nil, &CommitteeNotTrusted{Fault: CommitteeModel}
		}
		made.Models[model.GetId()] = Model{model.GetId(), modality, isRows, int(model.GetDimension())}
	}
	limits := answer.GetLimits()
	made.Limits = Limits{
		limits.GetMaxRequestBytes(), limits.GetMaxSamples(), time.Duration(limits.GetRequestRetentionSeconds()) * time.Second,
	}
	return made, nil
}

func checkNode(node *pb.Node, pin *NodePin, context []byte, deployment string) (*EnvelopeKey, CommitteeFault) {
	isPinned := uint32(node.GetParty()) == pin.Party.number() && bytes.Equal(node.GetIdentityKey(), pin.Identity)
	switch {
	case !isPinned || !isSigned(pin.Identity, node.GetSignature(), nodeMessage(node, deployment)):
		return nil, CommitteeSignature
	case node.GetLogKey() != pin.LogKey.String():
		return nil, CommitteeLogKey
	case node.GetSuite() != suiteName:
		return nil, CommitteeSuite
	case !bytes.Equal(node.GetContextDigest(), context):
		return nil, CommitteeContext
	case len(node.GetEnvelopeKeys()) == 0:
		return nil, CommitteeEnvelopeKey
	}
	current := node.GetEnvelopeKeys()[0]
	key, err := NewEnvelopeKey(current.GetPublicKey())
	if err != nil || !bytes.Equal(key.id, current.GetId()) {
		return nil, CommitteeEnvelopeKey
	}
	return key, ""
}

// nodeMessage is what a node signs of its keys.
func nodeMessage(node *pb.Node, deployment string) []byte {
	fields := [][]byte{
		[]byte("tumar node v2"), []byte(deployment), u32(uint32(node.GetParty())), node.GetIdentityKey(), []byte(node.GetLogKey()),
	}
	for _, key := range node.GetEnvelopeKeys() {
		fields = append(fields, key.GetId(), key.GetPublicKey(), u64(key.GetUntil()))
	}
	return framed(append(fields, []byte(node.GetSuite()), node.GetContextDigest())...)
}

// model is the one of this name, if it makes templates of this shape.
func (c *Committee) model(name string, template *Template) (*Model, error) {
	model, served := c.Models[name]
	if !served {
		return nil, inputError("the nodes serve no model %s", name)
	}
	if !model.Takes(template) {
		return nil, inputError("the model %s makes no templates of %dx%d", name, template.rows, template.columns)
	}
	return &model, nil
}
