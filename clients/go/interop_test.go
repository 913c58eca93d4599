package tumar_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/metadata"

	"tumar.example/tumar"
)

// shapes are proofs as programs make them by the library that most in Go use, each by a key of its own.
var shapes = []struct {
	name       string
	method     jwt.SigningMethod
	signer     crypto.Signer
	scheme, id string
	hasKid     bool
}{
	{
		"ES256 with a kid and a UUID, in lower case", jwt.SigningMethodES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"dpop", "0b2f6c1e-52d4-4f0e-9a0b-7f6f4c6f2a10", true,
	},
	{
		"EdDSA with an id of 16 characters", jwt.SigningMethodEdDSA, ed25519Key(),
		"DPoP", "kJ2vP0qRz7XyT1aB", false,
	},
}

func ed25519Key() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

func TestProofsOfAnotherLibraryPass(t *testing.T) {
	d, own := newDesk(t), face()
	d.enrol(captured(own))
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			key := must(tumar.NewSigningKey(shape.signer))
			claims := d.client.Claims(issuedBy, details("cash_withdrawal", "verify"))
			claims.JKT = key.Thumbprint()
			token := must(claims.Mint(d.issuer))
			asked := tumar.Verification{Target: d.about("cash_withdrawal"), Probes: []tumar.Capture{captured(like(own))}}
			prepared := must(d.client.PrepareVerification(t.Context(), asked))
			hash := sha256.Sum256([]byte(token))
			made := jwt.NewWithClaims(shape.method, jwt.MapClaims{
				"htm": "POST", "htu": d.client.Config().Base + prepared.Path(), "iat": jwt.NewNumericDate(time.Now()), "jti": shape.id,
				"ath": base64.RawURLEncoding.EncodeToString(hash[:]), "rqh": base64.RawURLEncoding.EncodeToString(prepared.Transcript()),
			})
			made.Header["typ"], made.Header["jwk"] = "dpop+jwt", key.JWK()
			if shape.hasKid {
				made.Header["kid"] = "the-bank's-name-of-it"
			}
			proof := must(made.SignedString(shape.signer))
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", shape.scheme+" "+token, "dpop", proof)
			verified, err := d.client.CallWith(ctx, prepared)
			if err != nil {
				t.Fatal(err)
			}
			same(t, verified.Matched, true)
		})
	}
}

func TestAnotherLibraryTakesOurJWS(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			key := must(tumar.NewSigningKey(shape.signer))
			text := must(tumar.Proof{HTU: "https://tumar.example/x", Token: "t", Transcript: make([]byte, 32)}.Sign(key))
			public := func(*jwt.Token) (any, error) { return shape.signer.Public(), nil }
			read, err := jwt.Parse(text, public, jwt.WithValidMethods([]string{key.Algorithm()}), jwt.WithIssuedAt())
			if err != nil {
				t.Fatal(err)
			}
			same(t, read.Header["typ"].(string), "dpop+jwt")
			if _, err := jwt.Parse(text[:len(text)-4]+"AAAA", public); err == nil {
				t.Fatal("a changed signature passes")
			}
		})
	}
}

func TestAClientProvesWithES256(t *testing.T) {
	d, own := newDesk(t), face()
	d.enrol(captured(own))
	config := *d.client.Config()
	config.ProofKey = must(tumar.NewSigningKey(shapes[0].signer))
	d.client = must(tumar.NewClient(&config))
	defer d.client.Close()
	d.verify(true, captured(like(own)))
}
