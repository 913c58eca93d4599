package tumar

import (
	"bytes"
	"context"
	"errors"

	pb "tumar.example/tumar/v1"
)

// Enrolled is the result of an enrolment.
type Enrolled struct {
	// Person is the person's key: give it to the person, and keep no copy.
	Person   *PersonKey
	Receipts *Receipts
}

// Verified is the result of a comparison. A non-match is a result, not an error.
type Verified struct {
	Matched   bool
	Receipts  *Receipts
	RequestID string
}

// Searched is the result of a search.
type Searched struct {
	// Candidates match, in the order of their enrolment.
	Candidates []string
	// Truncated says that there may be more.
	Truncated bool
	Receipts  *Receipts
}

// Enroll enrols a person at all three nodes.
//
// If the connection breaks, the key is lost with it. To be safe, make the key and the request first, store both, and then send:
// NewPersonKey, PrepareEnrolment, Send.
func (c *Client) Enroll(ctx context.Context, token string, asked Enrolment) (*Enrolled, error) {
	drawn := asked.Person == nil
	if drawn {
		asked.Person = NewPersonKey()
	}
	asked.Captured = orNow(asked.Captured)
	enrolled, err := sealed(ctx, c, func() (*Enrolled, error) {
		prepared, err := c.PrepareEnrolment(ctx, asked)
		if err != nil {
			return nil, err
		}
		receipts, err := c.Send(ctx, token, prepared)
		if err != nil {
			return nil, err
		}
		return &Enrolled{asked.Person, receipts}, nil
	})
	if err != nil && drawn {
		asked.Person.Wipe()
	}
	return enrolled, err
}

// Verify compares probes with a person's references.
func (c *Client) Verify(ctx context.Context, token string, asked Verification) (*Verified, error) {
	asked.Captured = orNow(asked.Captured)
	return sealed(ctx, c, func() (*Verified, error) {
		prepared, err := c.PrepareVerification(ctx, asked)
		if err != nil {
			return nil, err
		}
		return c.SendVerification(ctx, token, prepared)
	})
}

// Search compares a probe with everybody in a gallery. Ending the context ends it at all three nodes.
func (c *Client) Search(ctx context.Context, token string, asked Search) (*Searched, error) {
	asked.Captured = orNow(asked.Captured)
	return sealed(ctx, c, func() (*Searched, error) {
		prepared, err := c.PrepareSearch(ctx, asked)
		if err != nil {
			return nil, err
		}
		return c.SendSearch(ctx, token, prepared, asked.Watch)
	})
}

// Erase destroys a person's references at all three nodes.
func (c *Client) Erase(ctx context.Context, token string, target Target) (*ErasureCertificate, error) {
	prepared, err := c.PrepareErasure(target)
	if err != nil {
		return nil, err
	}
	return c.SendErasure(ctx, token, prepared)
}

// Lock stops every use of a person until unlocked.
func (c *Client) Lock(ctx context.Context, token string, target Target) (*Receipts, error) {
	prepared, err := c.PrepareLock(target)
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, token, prepared)
}

// Unlock ends a lock, and forgets the non-matches counted so far.
func (c *Client) Unlock(ctx context.Context, token string, target Target) (*Receipts, error) {
	prepared, err := c.PrepareUnlock(target)
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, token, prepared)
}

// PrepareEnrolment makes the request of Enroll, to be stored before it is sent. Person must be set.
func (c *Client) PrepareEnrolment(ctx context.Context, asked Enrolment) (*Prepared, error) {
	committee, err := c.Committee(ctx)
	if err != nil {
		return nil, err
	}
	return sealEnrolment(c.config, committee, asked)
}

// PrepareVerification makes the request of Verify.
func (c *Client) PrepareVerification(ctx context.Context, asked Verification) (*Prepared, error) {
	committee, err := c.Committee(ctx)
	if err != nil {
		return nil, err
	}
	return sealVerification(c.config, committee, asked)
}

// PrepareSearch makes the request of Search. Watch is ignored here: give it to SendSearch.
func (c *Client) PrepareSearch(ctx context.Context, asked Search) (*Prepared, error) {
	committee, err := c.Committee(ctx)
	if err != nil {
		return nil, err
	}
	return sealSearch(c.config, committee, asked)
}

// PrepareErasure makes the request of Erase.
func (c *Client) PrepareErasure(target Target) (*Prepared, error) {
	return withoutSamples(c.config, "EraseSubject", target)
}

// PrepareLock makes the request of Lock.
func (c *Client) PrepareLock(target Target) (*Prepared, error) {
	return withoutSamples(c.config, "LockSubject", target)
}

// PrepareUnlock makes the request of Unlock.
func (c *Client) PrepareUnlock(target Target) (*Prepared, error) {
	return withoutSamples(c.config, "UnlockSubject", target)
}

// Send signs a proof and sends the request. After a lost connection send the same again: it gets the answer that the first would have
// had, and does not count as a second use.
func (c *Client) Send(ctx context.Context, token string, prepared *Prepared) (*Receipts, error) {
	switch prepared.Call() {
	case "VerifySubject":
		verified, err := c.SendVerification(ctx, token, prepared)
		if err != nil {
			return nil, err
		}
		return verified.Receipts, nil
	case "SearchGallery":
		searched, err := c.SendSearch(ctx, token, prepared, nil)
		if err != nil {
			return nil, err
		}
		return searched.Receipts, nil
	}
	answer, err := c.invoke(ctx, token, prepared)
	if err != nil {
		return nil, err
	}
	return CheckReceipts(answer.GetReceipts(), prepared, c.config)
}

// SendVerification is Send, of a verification. The decision must be the one that the nodes signed.
func (c *Client) SendVerification(ctx context.Context, token string, prepared *Prepared) (*Verified, error) {
	if prepared.Call() != "VerifySubject" {
		return nil, inputError("the request is no verification but %s", prepared.Call())
	}
	answer, err := c.invoke(ctx, token, prepared)
	if err != nil {
		return nil, err
	}
	return checkVerified(answer.(*pb.VerifySubjectResponse), prepared, c.config)
}

func checkVerified(answer *pb.VerifySubjectResponse, prepared *Prepared, config *ClientConfig) (*Verified, error) {
	receipts, err := CheckReceipts(answer.GetReceipts(), prepared, config)
	if err != nil {
		return nil, err
	}
	words := map[pb.Decision]string{pb.Decision_DECISION_MATCH: "match", pb.Decision_DECISION_NO_MATCH: "no_match"}
	if words[answer.GetDecision()] != receipts.Outcome() {
		return nil, &ReceiptNotTrusted{Fault: ReceiptDecision}
	}
	return &Verified{receipts.Outcome() == "match", receipts, prepared.RequestID()}, nil
}

// SendErasure is Send, of an erasure.
func (c *Client) SendErasure(ctx context.Context, token string, prepared *Prepared) (*ErasureCertificate, error) {
	if prepared.Call() != "EraseSubject" {
		return nil, inputError("the request is no erasure but %s", prepared.Call())
	}
	receipts, err := c.Send(ctx, token, prepared)
	if err != nil {
		return nil, err
	}
	return newCertificate(c.config.Deployment, prepared, receipts), nil
}

// SendSearch is Send, of a search. The names must be those that the nodes signed.
func (c *Client) SendSearch(
	ctx context.Context, token string, prepared *Prepared, watch func(done, blocks uint32),
) (*Searched, error) {
	if prepared.Call() != "SearchGallery" {
		return nil, inputError("the request is no search but %s", prepared.Call())
	}
	result, err := c.stream(ctx, token, prepared, watch)
	if err != nil {
		return nil, err
	}
	return checkSearched(result, prepared, c.config)
}

// checkSearched takes nil for a stream that ended without a result.
func checkSearched(result *pb.SearchResult, prepared *Prepared, config *ClientConfig) (*Searched, error) {
	receipts, err := CheckReceipts(result.GetReceipts(), prepared, config)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(receipts[0].Found, FoundDigest(result.GetCandidates(), result.GetTruncated())) {
		return nil, &ReceiptNotTrusted{Fault: ReceiptDecision}
	}
	return &Searched{result.GetCandidates(), result.GetTruncated(), receipts}, nil
}

// sealed seals and sends; once more with new keys where a node has just changed its own, which spends nothing.
func sealed[Answer any](ctx context.Context, c *Client, attempt func() (Answer, error)) (Answer, error) {
	answer, err := attempt()
	if !errors.Is(err, ReasonEnvelopeKeyUnknown) {
		return answer, err
	}
	if _, err := c.Refresh(ctx); err != nil {
		var none Answer
		return none, err
	}
	return attempt()
}
