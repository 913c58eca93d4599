package tumar

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const domain = "tumar.v1"

// InputError says that no request can be made of the caller's input. Nothing was sent.
type InputError struct{ message string }

func (e *InputError) Error() string { return e.message }

func inputError(format string, values ...any) error {
	return &InputError{fmt.Sprintf(format, values...)}
}

// Why no template can be made of an embedding. Each is an *InputError.
var (
	ErrDimension = &InputError{"no model makes embeddings of so many components"}
	ErrNotFinite = &InputError{"a component of the embedding is not finite"}
	ErrZero      = &InputError{"the embedding is zero"}
	ErrSparse    = &InputError{"the embedding is too sparse to be quantised"}
)

// Reason is why a node refuses. It is stable; the constants have the sentence of each. errors.Is(err, ReasonSubjectLocked) asks for one.
type Reason string

func (r Reason) Error() string { return string(r) }

// Known tells whether this version of the client knows the reason. Treat one that it does not know by the status.
func (r Reason) Known() bool { return knownReasons[r] }

// Refusal is the answer of a node that does not do what was asked.
type Refusal struct {
	Reason  Reason
	Status  codes.Code
	Message string
	// Node refused, by the leader's account. Empty if it is not said.
	Node Party
	// Field of the request, or claim of the token or proof, that is at fault. Empty if it is not said.
	Field string
	// RetryAfter is after how long it is worth trying again; 0 if it is not said.
	RetryAfter time.Duration
}

func (e *Refusal) Error() string {
	at := ""
	if e.Node != "" {
		at += fmt.Sprintf(" (node %s)", e.Node)
	}
	if e.Field != "" {
		at += fmt.Sprintf(" (%s)", e.Field)
	}
	return fmt.Sprintf("%s%s: %s", e.Reason, at, e.Message)
}

// Unwrap lets errors.Is find the reason.
func (e *Refusal) Unwrap() error { return e.Reason }

// Unanswered says that there was no answer, or one that does not come from a node. It is not known whether the request was carried out: send
// the same Prepared again.
type Unanswered struct {
	Status codes.Code
	cause  error
}

func (e *Unanswered) Error() string {
	return fmt.Sprintf("the call ended without an answer: %v", e.cause)
}

// Unwrap gives gRPC's error.
func (e *Unanswered) Unwrap() error { return e.cause }

// ErrNotTrusted matches, by errors.Is, each error that says that an answer does not verify against the pinned keys. Do not use anything of
// such an answer.
var ErrNotTrusted = errors.New("not trusted")

// CommitteeFault is what is wrong with who the nodes say they are.
type CommitteeFault string

// The faults of an answer to GetCommittee.
const (
	CommitteeDeployment  CommitteeFault = "deployment"
	CommitteeNodes       CommitteeFault = "nodes"
	CommitteeSignature   CommitteeFault = "signature"
	CommitteeLogKey      CommitteeFault = "log_key"
	CommitteeSuite       CommitteeFault = "suite"
	CommitteeContext     CommitteeFault = "context"
	CommitteeEnvelopeKey CommitteeFault = "envelope_key"
	CommitteeModel       CommitteeFault = "model"
)

// CommitteeNotTrusted says that the nodes are not those that are pinned.
type CommitteeNotTrusted struct {
	Fault CommitteeFault
	// Party whose fault it is; empty if it is no single one's.
	Party Party
}

func (e *CommitteeNotTrusted) Error() string {
	return notTrusted("committee", string(e.Fault), e.Party)
}

// Unwrap gives ErrNotTrusted.
func (e *CommitteeNotTrusted) Unwrap() error { return ErrNotTrusted }

// ReceiptFault is what is wrong with receipts.
type ReceiptFault string

// The faults of receipts.
const (
	ReceiptCount        ReceiptFault = "count"
	ReceiptForm         ReceiptFault = "form"
	ReceiptSignature    ReceiptFault = "signature"
	ReceiptCheckpoint   ReceiptFault = "checkpoint"
	ReceiptInclusion    ReceiptFault = "inclusion"
	ReceiptOtherRequest ReceiptFault = "other_request"
	ReceiptOutcome      ReceiptFault = "outcome"
	ReceiptFound        ReceiptFault = "found"
	ReceiptDecision     ReceiptFault = "decision"
)

// ReceiptNotTrusted says that the receipts do not show what the answer says.
type ReceiptNotTrusted struct {
	Fault ReceiptFault
	// Party whose fault it is; empty if it is no single one's.
	Party Party
}

func (e *ReceiptNotTrusted) Error() string { return notTrusted("receipt", string(e.Fault), e.Party) }

// Unwrap gives ErrNotTrusted.
func (e *ReceiptNotTrusted) Unwrap() error { return ErrNotTrusted }

// CertificateFault is what is wrong with a certificate of erasure, apart from its receipts.
type CertificateFault string

// The faults of certificates.
const (
	CertificateForm       CertificateFault = "form"
	CertificateDeployment CertificateFault = "deployment"
)

// CertificateNotTrusted says that a certificate of erasure is none, or is of another deployment.
type CertificateNotTrusted struct{ Fault CertificateFault }

func (e *CertificateNotTrusted) Error() string {
	return notTrusted("certificate", string(e.Fault), "")
}

// Unwrap gives ErrNotTrusted.
func (e *CertificateNotTrusted) Unwrap() error { return ErrNotTrusted }

func notTrusted(what, fault string, party Party) string {
	of := ""
	if party != "" {
		of = fmt.Sprintf(" of node %s", party)
	}
	return fmt.Sprintf("%s not trusted: %s%s", what, fault, of)
}

// fromRPC makes a Refusal of a failed call that has the nodes' ErrorInfo, and Unanswered of any other.
func fromRPC(err error) error {
	said := status.Convert(err)
	refusal, refused := &Refusal{Status: said.Code(), Message: said.Message()}, false
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			refused = detail.GetDomain() == domain
			refusal.Reason, refusal.Node = Reason(detail.GetReason()), Party(detail.GetMetadata()["node"])
			refusal.Field = detail.GetMetadata()["claim"]
			if refusal.Field == "" {
				refusal.Field = detail.GetMetadata()["field"]
			}
		case *errdetails.RetryInfo:
			refusal.RetryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	if !refused {
		return &Unanswered{said.Code(), err}
	}
	return refusal
}
