package tumar_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"tumar.example/tumar"
	pb "tumar.example/tumar/v1"
)

// liar is a leader that passes calls on to the true one, and changes what comes back.
type liar struct {
	pb.UnimplementedMatchingServiceServer
	leader    pb.MatchingServiceClient
	committee func(*pb.GetCommitteeResponse)
	verified  func(*pb.VerifySubjectResponse) error
	// searched gives nil for a stream that ends without a result.
	searched func(*pb.SearchResult) *pb.SearchResult
}

// passed has the token and the proof that came.
func passed(ctx context.Context) context.Context {
	came, _ := metadata.FromIncomingContext(ctx)
	return metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": came["authorization"], "dpop": came["dpop"]})
}

func (l *liar) GetCommittee(ctx context.Context, asked *pb.GetCommitteeRequest) (*pb.GetCommitteeResponse, error) {
	answer, err := l.leader.GetCommittee(ctx, asked)
	if err == nil && l.committee != nil {
		l.committee(answer)
	}
	return answer, err
}

func (l *liar) VerifySubject(ctx context.Context, asked *pb.VerifySubjectRequest) (*pb.VerifySubjectResponse, error) {
	answer, err := l.leader.VerifySubject(passed(ctx), asked)
	if err != nil {
		return nil, err
	}
	return answer, l.verified(answer)
}

func (l *liar) SearchGallery(asked *pb.SearchGalleryRequest, out grpc.ServerStreamingServer[pb.SearchGalleryResponse]) error {
	steps, err := l.leader.SearchGallery(passed(out.Context()), asked)
	if err != nil {
		return err
	}
	for {
		step, err := steps.Recv()
		if err != nil {
			return err
		}
		result := step.GetResult()
		if result == nil {
			continue
		}
		if result = l.searched(result); result == nil {
			return nil
		}
		return out.Send(&pb.SearchGalleryResponse{Step: &pb.SearchGalleryResponse_Result{Result: result}})
	}
}

// certified makes a certificate for localhost, with its key, and as PEM.
func certified(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// lyingTo makes a desk call the liar instead of the leader.
func (l *liar) lyingTo(d *desk) {
	d.t.Helper()
	connection := must(tumar.Dial(d.client.Config()))
	l.leader = pb.NewMatchingServiceClient(connection)
	certificate, pinned := certified(d.t)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})))
	pb.RegisterMatchingServiceServer(server, l)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go server.Serve(listener)
	config := *d.client.Config()
	config.Certificate, config.Address, config.ServerName = pinned, listener.Addr().String(), "localhost"
	d.client = must(tumar.NewClient(&config))
	d.t.Cleanup(func() {
		d.client.Close()
		server.Stop()
		connection.Close()
	})
}

func untrusted(t *testing.T, err error, fault tumar.ReceiptFault) {
	t.Helper()
	receipts, is := errors.AsType[*tumar.ReceiptNotTrusted](err)
	if !is || !errors.Is(err, tumar.ErrNotTrusted) {
		t.Fatalf("%v, where %s is due", err, fault)
	}
	same(t, receipts.Fault, fault)
}

func TestALeaderThatTurnsTheDecisionIsNotTrusted(t *testing.T) {
	d, own, l := newDesk(t), face(), &liar{}
	d.enrol(captured(own))
	l.lyingTo(d)
	l.verified = func(*pb.VerifySubjectResponse) error { return nil }
	d.verify(true, captured(like(own)))
	l.verified = func(answer *pb.VerifySubjectResponse) error {
		answer.Decision = pb.Decision_DECISION_NO_MATCH
		return nil
	}
	_, err := d.tryVerify(captured(like(own)))
	untrusted(t, err, tumar.ReceiptDecision)
	l.verified = func(answer *pb.VerifySubjectResponse) error {
		answer.Receipts = answer.Receipts[:2]
		return nil
	}
	_, err = d.tryVerify(captured(like(own)))
	untrusted(t, err, tumar.ReceiptCount)
}

func TestALeaderThatNamesOthersIsNotTrusted(t *testing.T) {
	d, own, l := newDesk(t), face(), &liar{}
	d.enrol(captured(own))
	asked, details := approvedSearch(d)
	asked.Probes = []tumar.Capture{captured(like(own))}
	l.lyingTo(d)
	l.searched = func(result *pb.SearchResult) *pb.SearchResult {
		result.Candidates = []string{"somebody-else"}
		return result
	}
	_, err := d.client.Search(t.Context(), d.mint(details), asked)
	untrusted(t, err, tumar.ReceiptDecision)
	l.searched = func(*pb.SearchResult) *pb.SearchResult { return nil }
	_, err = d.client.Search(t.Context(), d.mint(details), asked)
	untrusted(t, err, tumar.ReceiptCount)
}

func TestALeaderThatGivesItsOwnKeyForANodesIsNotTrusted(t *testing.T) {
	d, l := newDesk(t), &liar{}
	l.lyingTo(d)
	l.committee = func(answer *pb.GetCommitteeResponse) {
		answer.Nodes[1].EnvelopeKeys = answer.Nodes[0].EnvelopeKeys
	}
	_, err := d.client.Refresh(t.Context())
	committee, is := errors.AsType[*tumar.CommitteeNotTrusted](err)
	if !is || !errors.Is(err, tumar.ErrNotTrusted) {
		t.Fatalf("%v, where a committee that is not trusted is due", err)
	}
	same(t, *committee, tumar.CommitteeNotTrusted{tumar.CommitteeSignature, tumar.PartyB})
}

func TestRefusalsSayWhatTheNodesSay(t *testing.T) {
	d, own, l := newDesk(t), face(), &liar{}
	d.enrol(captured(own))
	l.lyingTo(d)
	said := func(domain, reason string) error {
		made, err := status.New(codes.Unavailable, "later").WithDetails(
			&errdetails.ErrorInfo{Domain: domain, Reason: reason, Metadata: map[string]string{"node": "B"}},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		)
		if err != nil {
			return err
		}
		return made.Err()
	}
	refuse := func(err error) *tumar.Refusal {
		t.Helper()
		l.verified = func(*pb.VerifySubjectResponse) error { return err }
		_, got := d.tryVerify(captured(like(own)))
		refusal, _ := errors.AsType[*tumar.Refusal](got)
		if _, is := errors.AsType[*tumar.Unanswered](got); is != (refusal == nil) {
			t.Fatal(got)
		}
		return refusal
	}
	same(t, *refuse(said("tumar.v1", "OVERLOADED")), tumar.Refusal{
		Reason: tumar.ReasonOverloaded, Status: codes.Unavailable, Message: "later", Node: tumar.PartyB, RetryAfter: 1500 * time.Millisecond,
	})
	same(t, refuse(said("tumar.v1", "NEWER_THAN_THIS")).Reason.Known(), false)
	// None of these come from a node.
	for _, other := range []error{said("example.com", "OVERLOADED"), status.Error(codes.Unavailable, "a proxy's page")} {
		if refusal := refuse(other); refusal != nil {
			t.Fatalf("%v was taken for a refusal of a node", refusal)
		}
	}
}
