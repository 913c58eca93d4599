package tumar_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"tumar.example/tumar"
	"tumar.example/tumar/finger"
	pb "tumar.example/tumar/v1"
)

func TestAPersonIsEnrolledToldFromAStrangerAndErased(t *testing.T) {
	d, own, print := newDesk(t), face(), minutiae()
	d.enrol(captured(own), printed(record(print, 0)))
	d.verify(true, captured(like(own)))
	d.verify(false, captured(face()))
	d.verify(true, printed(record(print, 9)))
	d.verify(false, printed(record(minutiae(), 0)))
	certificate, err := d.client.Erase(t.Context(), d.token("erasure", "erase"), d.about("erasure"))
	if err != nil {
		t.Fatal(err)
	}
	again := must(tumar.ParseErasureCertificate(certificate.JSON()))
	if err := again.Verify(d.client.Config()); err != nil {
		t.Fatal(err)
	}
	other := must(tumar.ParseErasureCertificate([]byte(strings.Replace(string(certificate.JSON()), d.subject, "somebody", 1))))
	untrusted, is := errors.AsType[*tumar.ReceiptNotTrusted](other.Verify(d.client.Config()))
	if !is {
		t.Fatal("the certificate is somebody else's")
	}
	same(t, untrusted.Fault, tumar.ReceiptSignature)
	_, err = d.tryVerify(captured(like(own)))
	refused(t, err, tumar.ReasonSubjectUnknown)
}

func TestALockedPersonIsRefusedUntilUnlocked(t *testing.T) {
	d, own := newDesk(t), face()
	d.enrol(captured(own))
	locked, err := d.client.Lock(t.Context(), d.token("subject_lock", "lock"), d.about("subject_lock"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, locked.Outcome(), "locked")
	_, err = d.tryVerify(captured(like(own)))
	refused(t, err, tumar.ReasonSubjectLocked)
	_, err = d.client.Unlock(t.Context(), d.token("subject_unlock", "unlock"), d.about("subject_unlock"))
	refused(t, err, tumar.ReasonEvidenceMissing)
	unlocked, err := d.client.Unlock(t.Context(), d.token("subject_unlock", "unlock", "registry_check"), d.about("subject_unlock"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, unlocked.Outcome(), "unlocked")
	d.verify(true, captured(like(own)))
}

// approvedSearch has the approvals of two officers for tokens with these details.
func approvedSearch(d *desk) (tumar.Search, tumar.Details) {
	digest, details := sha256.Sum256([]byte("case 17")), details("case_search", "search")
	asked := tumar.Search{Gallery: gallery, Purpose: "case_search", CaseDigest: digest[:]}
	for _, officer := range [][2]string{{"aida", "fraud-analyst"}, {"bolat", "privacy-officer"}} {
		key := must(tumar.ReadSigningKey(filepath.Join(d.folder, "officers", officer[0]+".pk8")))
		asked.Approvals = append(asked.Approvals, must(tumar.Approve(key, tumar.Approval{
			Name: officer[0], Role: officer[1], Deployment: "dev", Details: details, CaseDigest: digest[:],
		})))
	}
	return asked, details
}

func TestASearchThatTwoOfficersApprovedNamesThePerson(t *testing.T) {
	d, own, print := newDesk(t), face(), minutiae()
	vector := func(aside uint16) tumar.Capture {
		return tumar.Capture{"leader-fixed-1", must(finger.Vector(record(print, aside)))}
	}
	d.enrol(captured(own), vector(0))
	asked, details := approvedSearch(d)
	var told [][2]uint32
	asked.Watch = func(done, blocks uint32) { told = append(told, [2]uint32{done, blocks}) }
	for _, probe := range []tumar.Capture{captured(like(own)), vector(6)} {
		asked.Probes = []tumar.Capture{probe}
		found, err := d.client.Search(t.Context(), d.mint(details), asked)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(found.Candidates, []string{d.subject}) || found.Truncated {
			t.Fatalf("%v, where %s is due", found.Candidates, d.subject)
		}
	}
	if len(told) == 0 {
		t.Fatal("nothing was told of the search's progress")
	}
	asked.Approvals = asked.Approvals[:1]
	_, err := d.client.Search(t.Context(), d.mint(details), asked)
	refused(t, err, tumar.ReasonApprovalsMissing)
}

func TestTheSameBytesGetTheSameReceiptsAndSealedAnewIsAnotherRequest(t *testing.T) {
	d, own := newDesk(t), face()
	d.enrol(captured(own))
	asked := tumar.Verification{Target: d.about("cash_withdrawal"), Probes: []tumar.Capture{captured(like(own))}, AmountKZT: 5}
	made := must(d.client.PrepareVerification(t.Context(), asked))
	prepared := must(tumar.ParsePrepared(must(made.Bytes())))
	first := must(d.client.Send(t.Context(), d.token("cash_withdrawal", "verify"), prepared))
	// By another token, as after a crash.
	again := must(d.client.Send(t.Context(), d.token("cash_withdrawal", "verify"), prepared))
	for place := range first {
		same(t, string(again[place].Signature), string(first[place].Signature))
		same(t, again[place].Checkpoint, first[place].Checkpoint)
	}
	anew := must(d.client.PrepareVerification(t.Context(), asked))
	message := proto.CloneOf(anew.Message().(*pb.VerifySubjectRequest))
	message.RequestId = prepared.RequestID()
	_, err := d.client.Send(t.Context(), d.token("cash_withdrawal", "verify"), must(tumar.NewPrepared(message)))
	refused(t, err, tumar.ReasonRequestIdReused)
}

func TestARefusalSaysWhoAndWhere(t *testing.T) {
	d, own := newDesk(t), captured(face())
	asked := tumar.Verification{Target: d.about("cash_withdrawal"), Probes: []tumar.Capture{own}}
	_, err := d.client.Verify(t.Context(), d.token("card_activation", "verify"), asked)
	same(t, refused(t, err, tumar.ReasonPurposeNotGranted).Status, codes.PermissionDenied)
	nobody := asked
	nobody.Target.Subject = "no such name"
	_, err = d.client.Verify(t.Context(), d.token("cash_withdrawal", "verify"), nobody)
	same(t, refused(t, err, tumar.ReasonRequestInvalid).Field, "subject")
	// A signature of 64 zeros.
	token := d.token("cash_withdrawal", "verify")
	_, err = d.client.Verify(t.Context(), token[:len(token)-86]+strings.Repeat("A", 86), asked)
	refused(t, err, tumar.ReasonTokenSignature)
}

func TestWhoeverIsNotPinnedIsNotBelieved(t *testing.T) {
	config := *newDesk(t).client.Config()
	// B's certificate for A's address.
	config.Certificate = must(os.ReadFile(filepath.Join(nodes(t), "try", "b", "keys", "tls.crt")))
	client := must(tumar.NewClient(&config))
	defer client.Close()
	_, err := client.Refresh(t.Context())
	if _, is := errors.AsType[*tumar.Unanswered](err); !is {
		t.Fatalf("%v, where nobody should have been believed", err)
	}
}

func TestANodeThatHasChangedItsKeysIsSealedToAnew(t *testing.T) {
	d, own := newDesk(t), face()
	d.enrol(captured(own))
	// Keys of which the nodes know nothing: the vectors'.
	d.client.SetKeys(vectorKeys(t))
	d.verify(true, captured(like(own)))
	kept := must(d.client.Committee(t.Context()))
	if string(kept.Keys[0].ID()) == string(vectorKeys(t)[0].ID()) {
		t.Fatal("the client has kept the old keys")
	}
}

func TestAContextThatEndsIsNoAnswer(t *testing.T) {
	d := newDesk(t)
	prepared := must(d.client.PrepareErasure(d.about("erasure")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.client.Send(ctx, d.token("erasure", "erase"), prepared)
	unanswered, is := errors.AsType[*tumar.Unanswered](err)
	if !is {
		t.Fatalf("%v, where no answer is due", err)
	}
	same(t, unanswered.Status, codes.Canceled)
}

func TestManyGoroutinesUseOneClient(t *testing.T) {
	d, own := newDesk(t), face()
	d.enrol(captured(own))
	details := details("cash_withdrawal", "verify")
	details.MaxUses = 3
	token := d.mint(details)
	probes := []tumar.Capture{captured(like(own)), captured(like(own)), captured(face())}
	verified, errs := make([]*tumar.Verified, len(probes)), make([]error, len(probes))
	var all sync.WaitGroup
	for place, probe := range probes {
		all.Go(func() {
			asked := tumar.Verification{Target: d.about("cash_withdrawal"), Probes: []tumar.Capture{probe}}
			verified[place], errs[place] = d.client.Verify(t.Context(), token, asked)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for place, matches := range []bool{true, true, false} {
		same(t, verified[place].Matched, matches)
	}
}
