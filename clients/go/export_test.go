package tumar

import (
	"context"

	"google.golang.org/grpc"

	pb "tumar.example/tumar/v1"
)

// What the tests need of the package's inside.
var (
	Framed       = framed
	NodeMessage  = nodeMessage
	FoundMessage = foundMessage
	KnownReasons = knownReasons
)

// Message is what is signed of a receipt.
func (r *Receipt) Message(deployment string) []byte { return r.message(deployment) }

// Dial is a connection like a client's own.
func Dial(config *ClientConfig) (*grpc.ClientConn, error) {
	client, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	return client.connection, nil
}

// CallWith sends a request with metadata that others made.
func (c *Client) CallWith(ctx context.Context, prepared *Prepared) (*Verified, error) {
	answer := new(pb.VerifySubjectResponse)
	if err := c.connection.Invoke(ctx, prepared.Path(), prepared.message, answer); err != nil {
		return nil, fromRPC(err)
	}
	return checkVerified(answer, prepared, c.config)
}

// SetKeys replaces the envelope keys that the client goes by.
func (c *Client) SetKeys(keys [3]*EnvelopeKey) {
	changed := *c.committee
	changed.Keys = keys
	c.committee = &changed
}
