package tumar

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
)

// SigningKey signs a client's proofs, an issuer's tokens or an officer's approvals, by EdDSA (Ed25519) or ES256 (P-256). It is not wiped.
type SigningKey struct {
	signer    crypto.Signer
	algorithm string
	jwk       map[string]string
}

// NewSigningKey takes any signer with an Ed25519 or P-256 key, also one whose private key is in a device.
func NewSigningKey(signer crypto.Signer) (*SigningKey, error) {
	switch public := signer.Public().(type) {
	case ed25519.PublicKey:
		return &SigningKey{signer, "EdDSA", map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64u(public)}}, nil
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			break
		}
		key, err := public.ECDH()
		if err != nil {
			return nil, inputError("not a P-256 key: %v", err)
		}
		// 4, then both coordinates.
		point := key.Bytes()
		jwk := map[string]string{"kty": "EC", "crv": "P-256", "x": b64u(point[1:33]), "y": b64u(point[33:])}
		return &SigningKey{signer, "ES256", jwk}, nil
	}
	return nil, inputError("not an Ed25519 or P-256 private key")
}

// ReadSigningKey reads a file in PKCS#8, DER or PEM, without a password.
func ReadSigningKey(path string) (*SigningKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, inputError("%v", err)
	}
	defer clear(data)
	key, err := ParseSigningKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// ParseSigningKey does the same of what such a file holds.
func ParseSigningKey(data []byte) (*SigningKey, error) {
	if block, _ := pem.Decode(data); block != nil && block.Type == "PRIVATE KEY" {
		data = block.Bytes
		defer clear(data)
	}
	key, err := x509.ParsePKCS8PrivateKey(data)
	if err != nil {
		return nil, inputError("not a private key in PKCS#8, without a password")
	}
	signer, signs := key.(crypto.Signer)
	if !signs {
		return nil, inputError("not an Ed25519 or P-256 private key")
	}
	return NewSigningKey(signer)
}

// Algorithm is EdDSA or ES256.
func (k *SigningKey) Algorithm() string { return k.algorithm }

// JWK is the public key (RFC 7517).
func (k *SigningKey) JWK() map[string]string {
	copied := make(map[string]string, len(k.jwk))
	for name, value := range k.jwk {
		copied[name] = value
	}
	return copied
}

// Thumbprint is RFC 7638's, in base64url: what a token's cnf.jkt and a key's kid name.
func (k *SigningKey) Thumbprint() string {
	// Go writes the members of a map in the order of their names, as the RFC wants them.
	return b64u(digest(compact(k.jwk)))
}

// String shows the thumbprint, and hides the private key.
func (k *SigningKey) String() string {
	return fmt.Sprintf("SigningKey(%s %s)", k.algorithm, k.Thumbprint())
}

// GoString does the same.
func (k *SigningKey) GoString() string { return k.String() }

// jws makes a compact JWS (RFC 7515), and adds alg to the header.
func (k *SigningKey) jws(header, claims map[string]any) (string, error) {
	header["alg"] = k.algorithm
	text := b64u(compact(header)) + "." + b64u(compact(claims))
	signature, err := k.sign([]byte(text))
	if err != nil {
		return "", fmt.Errorf("the key does not sign: %w", err)
	}
	return text + "." + b64u(signature), nil
}

func (k *SigningKey) sign(text []byte) ([]byte, error) {
	if k.algorithm == "EdDSA" {
		return k.signer.Sign(rand.Reader, text, crypto.Hash(0))
	}
	der, err := k.signer.Sign(rand.Reader, digest(text), crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// A JWS has both numbers in 32 bytes each, where Go gives ASN.1.
	var both struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &both); err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	both.R.FillBytes(signature[:32])
	both.S.FillBytes(signature[32:])
	return signature, nil
}

// compact is JSON without white space.
func compact(value any) []byte {
	made, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("texts, numbers and lists are JSON: %v", err))
	}
	return made
}
