package tumar

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxNote       = 128 * 1024
	maxSignatures = 16
	maxPath       = 64
)

var (
	halfYear = regexp.MustCompile(`^(19[7-9][0-9]|[2-9][0-9]{3})h[12]$`)
	treeSize = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)

	errNote       = errors.New("not a signed note")
	errCheckpoint = errors.New("not a checkpoint")
)

// isSigned also takes what is no key or no signature, for which ed25519 would panic.
func isSigned(public, signature, message []byte) bool {
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, message, signature)
}

// VerifierKey is a log's name and Ed25519 key, NAME+HASH+BASE64 (C2SP signed-note).
type VerifierKey struct {
	name   string
	public []byte
}

// ParseVerifierKey takes a text that prints back as it came.
func ParseVerifierKey(text string) (*VerifierKey, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) == 3 && parts[0] != "" {
		if material, err := fromB64(parts[2]); err == nil && len(material) == 1+ed25519.PublicKeySize {
			made := &VerifierKey{parts[0], material[1:]}
			if made.String() == text {
				return made, nil
			}
		}
	}
	return nil, inputError("not a verifier key: %s", text)
}

// id is the first 4 bytes of the hash over name and key; 1 says that the key is Ed25519's.
func (k *VerifierKey) id() string {
	return string(digest([]byte(k.name + "\n\x01" + string(k.public)))[:4])
}

func (k *VerifierKey) String() string {
	material := base64.StdEncoding.EncodeToString(append([]byte{1}, k.public...))
	return k.name + "+" + hex.EncodeToString([]byte(k.id())) + "+" + material
}

// open gives the text of a note that this key signed, with its last line end. Signatures by others are not looked at; one in this key's
// name that is false spoils the note, also beside a good one.
func (k *VerifierKey) open(note string) (string, error) {
	text, signatures, err := readNote(note)
	if err != nil {
		return "", err
	}
	signed := false
	for _, signature := range signatures {
		if signature.name != k.name || signature.blob[:4] != k.id() {
			continue
		}
		if !isSigned(k.public, []byte(signature.blob[4:]), []byte(text)) {
			return "", errors.New("a signature is not by the key it names")
		}
		signed = true
	}
	if !signed {
		return "", errors.New("the note is not signed by this key")
	}
	return text, nil
}

type noteSignature struct{ name, blob string }

func readNote(note string) (text string, signatures []noteSignature, err error) {
	control := func(r rune) bool { return r < 0x20 && r != '\n' }
	if len(note) > maxNote || !utf8.ValidString(note) || !strings.HasSuffix(note, "\n") || strings.ContainsFunc(note, control) {
		return "", nil, errNote
	}
	end := strings.LastIndex(note, "\n\n")
	if end < 0 {
		return "", nil, errNote
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(note[end+2:], "\n"), "\n") {
		parts := strings.SplitN(line, " ", 3)
		if len(parts) != 3 || parts[0] != "\u2014" || parts[1] == "" || len(signatures) == maxSignatures {
			return "", nil, errNote
		}
		blob, err := fromB64(parts[2])
		if err != nil || len(blob) < 5 {
			return "", nil, errNote
		}
		signatures = append(signatures, noteSignature{parts[1], string(blob)})
	}
	return note[:end+1], signatures, nil
}

// Checkpoint says how large a log is, and its root at that size.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   []byte
}

// openCheckpoint reads a checkpoint of some half-year of the log with this key. The key's name has no half-year; origin and signature do.
func openCheckpoint(note string, key *VerifierKey) (*Checkpoint, error) {
	origin, _, _ := strings.Cut(note, "\n")
	name, half, _ := cutLast(origin, "/")
	if name != key.name || !halfYear.MatchString(half) {
		return nil, errors.New("a checkpoint of another log")
	}
	ofHalf := VerifierKey{origin, key.public}
	text, err := ofHalf.open(note)
	if err != nil {
		return nil, err
	}
	return parseCheckpoint(text)
}

func cutLast(text, separator string) (before, after string, found bool) {
	if place := strings.LastIndex(text, separator); place >= 0 {
		return text[:place], text[place+len(separator):], true
	}
	return text, "", false
}

// parseCheckpoint takes three lines and no more.
func parseCheckpoint(text string) (*Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" || !treeSize.MatchString(lines[1]) {
		return nil, errCheckpoint
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return nil, errCheckpoint
	}
	root, err := fromB64(lines[2])
	if err != nil || len(root) != 32 {
		return nil, errCheckpoint
	}
	return &Checkpoint{lines[0], size, root}, nil
}

// verifyInclusion tells whether a leaf's hash leads to the root by its path, lowest hash first (RFC 9162, section 2.1.3.2).
func verifyInclusion(leaf []byte, index uint64, path [][]byte, checkpoint *Checkpoint) error {
	if index >= checkpoint.Size || len(path) > maxPath {
		return errors.New("an index beyond the tree, or a path longer than any")
	}
	node, last, computed := index, checkpoint.Size-1, string(leaf)
	for _, sibling := range path {
		if last == 0 {
			return errors.New("the path is too long")
		}
		if node&1 == 1 || node == last {
			computed = string(digest([]byte("\x01" + string(sibling) + computed)))
			for node&1 == 0 && node != 0 {
				node, last = node>>1, last>>1
			}
		} else {
			computed = string(digest([]byte("\x01" + computed + string(sibling))))
		}
		node, last = node>>1, last>>1
	}
	if last != 0 {
		return errors.New("the path is too short")
	}
	if computed != string(checkpoint.Root) {
		return errors.New("the path leads to another root")
	}
	return nil
}
