package tumar

import (
	"slices"
	"time"
)

const detailsType = "urn:tumar:match:1"

// Details is what one token allows: the one element of its authorization_details (RFC 9396).
type Details struct {
	Purpose      string
	Actions      []string
	RelyingParty string
	Galleries    []string
	// Modalities that may be compared; face and finger if nil, none if empty.
	Modalities []Modality
	// MaxUses is 1 if 0.
	MaxUses int
	// LegalBasis is left out if empty.
	LegalBasis string
}

func (d *Details) members() map[string]any {
	modalities, uses := d.Modalities, d.MaxUses
	if modalities == nil {
		modalities = []Modality{Face, Finger}
	}
	if uses == 0 {
		uses = 1
	}
	members := map[string]any{
		"type": detailsType, "purpose": d.Purpose, "actions": d.Actions, "relying_party": d.RelyingParty,
		"galleries": d.Galleries, "modalities": modalities, "max_uses": uses,
	}
	if d.LegalBasis != "" {
		members["legal_basis"] = d.LegalBasis
	}
	return members
}

// longestLife is how long nodes take a token with these for.
func (d *Details) longestLife() time.Duration {
	switch {
	case len(d.Actions) == 1 && d.Actions[0] == "read_log":
		return time.Hour
	case slices.Contains(d.Actions, "search"):
		return 2 * time.Minute
	}
	return 5 * time.Minute
}

// Stamp is the iat and jti of a JWS: if left zero, the current time and 128 random bits.
type Stamp struct {
	IssuedAt time.Time
	ID       string
}

func (s Stamp) drawn() (seconds int64, id string) {
	id = s.ID
	if id == "" {
		id = b64u(random(16))
	}
	return orNow(s.IssuedAt).Unix(), id
}

func orNow(moment time.Time) time.Time {
	if moment.IsZero() {
		return time.Now()
	}
	return moment
}

// TokenClaims are those of an access token (RFC 9068). For tests and small issuers: a bank has an authorisation server.
type TokenClaims struct {
	Issuer, Deployment, Client string
	// JKT is the thumbprint of the client's proof key.
	JKT     string
	Details Details
	// AMR is evidence of other factors: mobile_auth, registry_check, pin.
	AMR []string
	// Lifetime is as long as nodes take if 0.
	Lifetime time.Duration
	Stamp    Stamp
}

// Mint gives the token, signed with the issuer's key, whose thumbprint is the kid.
func (c TokenClaims) Mint(key *SigningKey) (string, error) {
	lifetime := c.Lifetime
	if lifetime == 0 {
		lifetime = c.Details.longestLife()
	}
	now, id := c.Stamp.drawn()
	claims := map[string]any{
		"iss": c.Issuer, "aud": "urn:tumar:" + c.Deployment, "client_id": c.Client, "sub": c.Client,
		"iat": now, "nbf": now, "exp": now + int64(lifetime/time.Second), "jti": id, "cnf": map[string]any{"jkt": c.JKT},
		"authorization_details": []any{c.Details.members()},
	}
	if len(c.AMR) > 0 {
		claims["amr"] = c.AMR
	}
	return key.jws(map[string]any{"typ": "at+jwt", "kid": key.Thumbprint()}, claims)
}

// Proof shows that the holder of the token's key makes this one request, now (RFC 9449 with rqh). A proof works once.
type Proof struct {
	// HTU is https://HOST[:PORT] of the leader and the path of the call.
	HTU   string
	Token string
	// Transcript is the SHA-256 of the request, 32 bytes.
	Transcript []byte
	Stamp      Stamp
}

// Sign gives the metadata dpop.
func (p Proof) Sign(key *SigningKey) (string, error) {
	now, id := p.Stamp.drawn()
	claims := map[string]any{
		"htm": "POST", "htu": p.HTU, "iat": now, "jti": id, "ath": b64u(digest([]byte(p.Token))), "rqh": b64u(p.Transcript),
	}
	return key.jws(map[string]any{"typ": "dpop+jwt", "jwk": key.jwk}, claims)
}

// Approval allows searches by tokens with exactly these details, in one case. It is valid for 15 minutes.
type Approval struct {
	Name, Role, Deployment string
	Details                Details
	// CaseDigest is the SHA-256 of the file of the case.
	CaseDigest []byte
	Stamp      Stamp
}

// Approve signs an approval with the officer's key.
func Approve(key *SigningKey, approval Approval) (string, error) {
	now, id := approval.Stamp.drawn()
	claims := map[string]any{
		"sub": approval.Name, "role": approval.Role, "iat": now, "jti": id, "aud": "urn:tumar:" + approval.Deployment,
		"authorization_details": []any{approval.Details.members()}, "case": b64u(approval.CaseDigest),
	}
	return key.jws(map[string]any{"typ": "tumar-approval+jwt", "kid": key.Thumbprint()}, claims)
}
