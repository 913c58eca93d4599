package tumar_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"tumar.example/tumar"
	"tumar.example/tumar/internal/vectors"
)

// unb64 reads base64url, and takes no other text of the same bytes than the usual one.
func unb64(text string) []byte {
	data := must(base64.RawURLEncoding.DecodeString(text))
	if base64.RawURLEncoding.EncodeToString(data) != text {
		panic("not the usual base64 of these bytes: " + text)
	}
	return data
}

// saidBy reads a JWS, and holds it against the key that should have signed it, header and claims.
func saidBy(what, jws string, jwk map[string]string, header, claims any) error {
	parts := strings.Split(jws, ".")
	var said [2]any
	for place := range said {
		into(unb64(parts[place]), &said[place])
	}
	public := unb64(jwk["x"])
	signature := unb64(parts[2])
	if !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
		return errors.New(what + ": not signed by the key")
	}
	return errors.Join(agree(what, said[0], header), agree(what, said[1], claims))
}

// reasonsKnown tells whether all reasons of refused tokens have constants.
func reasonsKnown(cases []refusedVector) error {
	for _, c := range cases {
		if c.Reason != nil && !tumar.Reason(*c.Reason).Known() {
			return errors.New("not known: " + *c.Reason)
		}
	}
	return nil
}

type refusedVector struct{ Reason *string }

func checkTokens(text []byte) error {
	var file struct {
		Now     int64
		Trusted struct {
			JWKS struct{ Keys []map[string]string }
		}
		IssuerKey string `json:"issuer_key"`
		Good      struct {
			Header, Claims, Proof any
			ProofHeader           any `json:"proof_header"`
			Token                 string
			ProofToken            string `json:"proof_token"`
		}
		Cases []refusedVector
	}
	into(text, &file)
	var said struct {
		Issuer  string            `json:"iss"`
		JTI     string            `json:"jti"`
		Details []vectors.Details `json:"authorization_details"`
	}
	into(must(json.Marshal(file.Good.Claims)), &said)
	config, issuer, now := vectorConfig(), must(tumar.ParseSigningKey([]byte(file.IssuerKey))), time.Unix(file.Now, 0)
	token := must(tumar.TokenClaims{
		Issuer: said.Issuer, Deployment: config.Deployment, Client: config.Client, JKT: config.ProofKey.Thumbprint(),
		Details: said.Details[0].Details(), Stamp: tumar.Stamp{IssuedAt: now, ID: said.JTI},
	}.Mint(issuer))
	var receipts struct{ Transcript string }
	into(readVectors("receipts"), &receipts)
	id := file.Good.Proof.(map[string]any)["jti"].(string)
	proof := must(tumar.Proof{
		HTU: config.Base + "/tumar.v1.MatchingService/VerifySubject", Token: file.Good.Token, Transcript: unhex(receipts.Transcript),
		Stamp: tumar.Stamp{IssuedAt: now, ID: id},
	}.Sign(config.ProofKey))
	proofKey := config.ProofKey.JWK()
	return errors.Join(
		saidBy("our token", token, issuer.JWK(), file.Good.Header, file.Good.Claims),
		saidBy("the token", file.Good.Token, file.Trusted.JWKS.Keys[0], file.Good.Header, file.Good.Claims),
		saidBy("our proof", proof, proofKey, file.Good.ProofHeader, file.Good.Proof),
		saidBy("the proof", file.Good.ProofToken, proofKey, file.Good.ProofHeader, file.Good.Proof),
		reasonsKnown(file.Cases),
	)
}

func checkApprovals(text []byte) error {
	var file struct {
		Now      int64
		Case     string
		Details  vectors.Details
		Officers []struct {
			Name, Role, Key string
			JWK             map[string]string
		}
		Header, Claims any
		Cases          []struct {
			refusedVector
			Approvals []string
		}
	}
	into(text, &file)
	aida := file.Officers[0]
	key := must(tumar.ParseSigningKey([]byte(aida.Key)))
	made := must(tumar.Approve(key, tumar.Approval{
		Name: aida.Name, Role: aida.Role, Deployment: vectorConfig().Deployment, Details: file.Details.Details(),
		CaseDigest: unhex(file.Case),
		Stamp:      tumar.Stamp{IssuedAt: time.Unix(file.Now, 0), ID: file.Claims.(map[string]any)["jti"].(string)},
	}))
	faults := []error{
		saidBy("our approval", made, aida.JWK, file.Header, file.Claims), agree("the officer's key", key.JWK(), aida.JWK),
		agree("the type", file.Details.Type, "urn:tumar:match:1"),
	}
	for _, c := range file.Cases {
		faults = append(faults, reasonsKnown([]refusedVector{c.refusedVector}))
	}
	if file.Cases[0].Reason == nil {
		faults = append(faults, saidBy("the approval", file.Cases[0].Approvals[0], aida.JWK, file.Header, file.Claims))
	}
	return errors.Join(faults...)
}
