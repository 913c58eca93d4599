package tumar

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	suiteName      = "hpke-base+x-wing+hkdf-sha256+aes-256-gcm"
	personKeyBytes = 32
	keyIDBytes     = 8
	publicKeyBytes = 1216
)

// Split makes the plaintexts for A, B and C: for each its own summand, then the next one's. One of them is random; two of them give the
// template. The caller wipes them by clear.
func Split(template *Template) ([3][]byte, error) {
	masks := random(len(template.components))
	defer clear(masks)
	return SplitWith(template, masks)
}

// SplitWith is Split with given masks, for tests: as many fresh random bytes as the template has components.
func SplitWith(template *Template, masks []byte) ([3][]byte, error) {
	if len(masks) != len(template.components) {
		return [3][]byte{}, inputError("%d bytes of masks are due, not %d", len(template.components), len(masks))
	}
	packed := template.Pack()
	half := len(packed)
	a, b, c := masks[:half], masks[half:], packed
	for place := range c {
		c[place] ^= a[place] ^ b[place]
	}
	defer clear(c)
	return [3][]byte{joined(a, b), joined(b, c), joined(c, a)}, nil
}

// joined has the parts in one slice with room for a node's key behind them, so that adding it leaves no copy.
func joined(parts ...[]byte) []byte {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	made := make([]byte, 0, length+personKeyBytes)
	for _, part := range parts {
		made = append(made, part...)
	}
	return made
}

// PersonKey is the person's own key, made at enrolment: it finds their entries in all three access logs, and nobody else's. Give it to the
// person, and keep no copy.
type PersonKey struct{ key [personKeyBytes]byte }

// NewPersonKey makes a random one.
func NewPersonKey() *PersonKey {
	made, drawn := new(PersonKey), random(personKeyBytes)
	defer clear(drawn)
	copy(made.key[:], drawn)
	return made
}

// ParsePersonKey reads 64 digits of lower-case hex; white space around them does not matter.
func ParsePersonKey(text string) (*PersonKey, error) {
	key, err := fromHex(strings.TrimSpace(text), personKeyBytes)
	if err != nil {
		return nil, inputError("a person's key is 64 digits of lower-case hex")
	}
	defer clear(key)
	made := new(PersonKey)
	copy(made.key[:], key)
	return made, nil
}

// Text is the key for the person to keep, in 64 digits of lower-case hex. A string can not be wiped.
func (k *PersonKey) Text() string { return hex.EncodeToString(k.key[:]) }

// ForNode is what one node blinds its entries about the person with, 32 bytes. The caller wipes it by clear.
func (k *PersonKey) ForNode(party Party) []byte {
	key, err := hkdf.Key(sha256.New, k.key[:], nil, "tumar subject key v1"+string(party), personKeyBytes)
	if err != nil {
		panic(fmt.Sprintf("HKDF gives 32 bytes of any key: %v", err))
	}
	return key
}

// Handle stands in this node's log in its entry of this number about the person, from 0.
func (k *PersonKey) Handle(party Party, counter uint64) []byte {
	key := k.ForNode(party)
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	mac.Write(u64(counter))
	return mac.Sum(nil)
}

// Wipe overwrites the key.
func (k *PersonKey) Wipe() { clear(k.key[:]) }

// String hides the key. Text gives it.
func (k *PersonKey) String() string { return "PersonKey(..)" }

// GoString hides it too.
func (k *PersonKey) GoString() string { return k.String() }

// Binding is what an envelope is for. It opens for nothing else.
type Binding struct {
	Deployment, RelyingParty, Client, Path, Purpose string
	// RequestID has the 16 bytes of the UUID.
	RequestID []byte
	Gallery   string
	// Subject is empty in a search.
	Subject  string
	Modality Modality
	Model    string
	// AmountKZT is 0 but in a verification.
	AmountKZT uint64
	// CaptureMinute is Unix time / 60, rounded down, of when the person stood there.
	CaptureMinute uint32
}

// Info is HPKE's info for the envelope to this party's key.
func (b *Binding) Info(party Party, keyID []byte) []byte {
	return framed(
		[]byte("tumar envelope v2"), []byte(party), keyID, []byte(b.Deployment), []byte(b.RelyingParty), []byte(b.Client),
		[]byte(b.Path), []byte(b.Purpose), b.RequestID, []byte(b.Gallery), []byte(b.Subject), []byte(b.Modality),
		[]byte(b.Model), u64(b.AmountKZT), u32(b.CaptureMinute),
	)
}

// EnvelopeKey is a node's X-Wing public key.
type EnvelopeKey struct {
	id  []byte
	key hpke.PublicKey
}

// NewEnvelopeKey takes 1184 bytes of ML-KEM-768, then 32 of X25519.
func NewEnvelopeKey(public []byte) (*EnvelopeKey, error) {
	if len(public) != publicKeyBytes {
		return nil, inputError("an X-Wing public key has %d bytes", publicKeyBytes)
	}
	key, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, inputError("not an X-Wing public key: %v", err)
	}
	return &EnvelopeKey{digest(public)[:keyIDBytes], key}, nil
}

// ID is the first 8 bytes of the key's SHA-256.
func (k *EnvelopeKey) ID() []byte { return append([]byte(nil), k.id...) }

// Seal makes an envelope: key id, X-Wing ciphertext (1120 bytes), AES-256-GCM ciphertext and tag.
func (k *EnvelopeKey) Seal(plaintext, info []byte) ([]byte, error) {
	sealed, err := hpke.Seal(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plaintext)
	if err != nil {
		return nil, inputError("the envelope can not be sealed: %v", err)
	}
	return append(k.ID(), sealed...), nil
}

// SealSample makes three envelopes of one template, for A, B and C. The person's key goes with the first sample of an enrolment; with all
// others it is nil.
func SealSample(template *Template, keys [3]*EnvelopeKey, binding *Binding, person *PersonKey) ([3][]byte, error) {
	var sealed [3][]byte
	plaintexts, err := Split(template)
	if err != nil {
		return sealed, err
	}
	for place, party := range parties {
		// The node's key first, so that all of it is overwritten whatever comes.
		plaintext := withNodeKey(plaintexts[place], person, party)
		defer clear(plaintext)
		if sealed[place], err = keys[place].Seal(plaintext, binding.Info(party, keys[place].id)); err != nil {
			return [3][]byte{}, err
		}
	}
	return sealed, nil
}

func withNodeKey(plaintext []byte, person *PersonKey, party Party) []byte {
	if person == nil {
		return plaintext
	}
	key := person.ForNode(party)
	defer clear(key)
	return append(plaintext, key...)
}
