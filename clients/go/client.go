package tumar

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	pb "tumar.example/tumar/v1"
)

const (
	deadline       = 10 * time.Second
	searchDeadline = 5 * time.Minute
	// refreshBefore the keys' end the committee is asked for anew.
	refreshBefore = 10 * time.Minute
)

// Client makes calls to the nodes, and checks the receipts of each answer. It is safe for concurrent use. A call ends after 10 s, a search
// after 5 minutes, or at the context's deadline if that is sooner.
type Client struct {
	config     *ClientConfig
	connection *grpc.ClientConn
	lock       sync.Mutex
	committee  *Committee
}

// NewClient makes a client that connects at its first call. Further options of gRPC may be given, such as a dialer.
func NewClient(config *ClientConfig, options ...grpc.DialOption) (*Client, error) {
	pinned := x509.NewCertPool()
	if !pinned.AppendCertsFromPEM(config.Certificate) {
		return nil, inputError("the leader's certificate is no certificate in PEM")
	}
	// The pinned certificate is the only trust anchor.
	secured := credentials.NewTLS(&tls.Config{RootCAs: pinned, ServerName: config.ServerName, MinVersion: tls.VersionTLS13})
	connection, err := grpc.NewClient(config.Address, append([]grpc.DialOption{grpc.WithTransportCredentials(secured)}, options...)...)
	if err != nil {
		return nil, inputError("%s: %v", config.Address, err)
	}
	return &Client{config: config, connection: connection}, nil
}

// Open makes a client from a client.toml, asks for the committee, and checks all three nodes against the pinned keys.
func Open(ctx context.Context, path string) (*Client, error) {
	config, err := ReadClientConfig(path)
	if err != nil {
		return nil, err
	}
	client, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	if _, err := client.Refresh(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.connection.Close() }

// Config is the client's configuration.
func (c *Client) Config() *ClientConfig { return c.config }

// Claims are what a token for this client says; Mint signs it with an issuer's key.
func (c *Client) Claims(issuer string, details Details, amr ...string) TokenClaims {
	return TokenClaims{
		Issuer: issuer, Deployment: c.config.Deployment, Client: c.config.Client, JKT: c.config.ProofKey.Thumbprint(),
		Details: details, AMR: amr,
	}
}

// Refresh asks for the committee again.
func (c *Client) Refresh(ctx context.Context) (*Committee, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	answer, err := pb.NewMatchingServiceClient(c.connection).GetCommittee(ctx, new(pb.GetCommitteeRequest))
	if err != nil {
		return nil, fromRPC(err)
	}
	committee, err := CheckCommittee(answer, c.config)
	if err != nil {
		return nil, err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.committee = committee
	return committee, nil
}

// Committee is the one in use, or a newer one where its keys are about to end.
func (c *Client) Committee(ctx context.Context) (*Committee, error) {
	c.lock.Lock()
	committee := c.committee
	c.lock.Unlock()
	if committee == nil || uint64(time.Now().Add(refreshBefore).Unix()) >= committee.Until {
		return c.Refresh(ctx)
	}
	return committee, nil
}

// proven adds token and a fresh proof to a call.
func (c *Client) proven(ctx context.Context, token string, prepared *Prepared) (context.Context, error) {
	proof, err := Proof{HTU: c.config.Base + prepared.Path(), Token: token, Transcript: prepared.transcript}.Sign(c.config.ProofKey)
	if err != nil {
		return nil, err
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "DPoP "+token, "dpop", proof), nil
}

// invoke calls what is answered by one message.
func (c *Client) invoke(ctx context.Context, token string, prepared *Prepared) (withReceipts, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	ctx, err := c.proven(ctx, token, prepared)
	if err != nil {
		return nil, err
	}
	answer := another(prepared.call.answer)
	if err := c.connection.Invoke(ctx, prepared.Path(), prepared.message, answer); err != nil {
		return nil, fromRPC(err)
	}
	return answer, nil
}

// stream calls a search, whose last message is the result. Ending the context ends the search at all three nodes.
func (c *Client) stream(
	ctx context.Context, token string, prepared *Prepared, watch func(done, blocks uint32),
) (result *pb.SearchResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, searchDeadline)
	defer cancel()
	if ctx, err = c.proven(ctx, token, prepared); err != nil {
		return nil, err
	}
	request := prepared.message.(*pb.SearchGalleryRequest)
	steps, err := pb.NewMatchingServiceClient(c.connection).SearchGallery(ctx, request)
	if err != nil {
		return nil, fromRPC(err)
	}
	for {
		step, err := steps.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return result, nil
		case err != nil:
			return nil, fromRPC(err)
		case step.GetResult() != nil:
			result = step.GetResult()
		case watch != nil:
			watch(step.GetProgress().GetBlocksDone(), step.GetProgress().GetBlocks())
		}
	}
}
