package tumar

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Party is one of the three operators: PartyA, the leader, PartyB or PartyC.
type Party string

// The three, in the order in which everything of theirs stands.
const (
	PartyA Party = "A"
	PartyB Party = "B"
	PartyC Party = "C"
)

var parties = [3]Party{PartyA, PartyB, PartyC}

// number is how protobuf messages name a party.
func (p Party) number() uint32 { return uint32(p[0]-'A') + 1 }

// framed puts each field behind its length in 8 bytes, big-endian: two different lists never give the same bytes.
func framed(fields ...[]byte) []byte {
	var made []byte
	for _, field := range fields {
		made = binary.BigEndian.AppendUint64(made, uint64(len(field)))
		made = append(made, field...)
	}
	return made
}

func u32(number uint32) []byte { return binary.BigEndian.AppendUint32(nil, number) }

func u64(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func digest(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

func b64u(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// fromB64 reads standard base64, and takes no other text of the same bytes than the usual one.
func fromB64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text {
		return nil, errors.New("not base64")
	}
	return data, nil
}

// fromHex reads lower-case hexadecimal of so many bytes.
func fromHex(text string, length int) ([]byte, error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != length || hex.EncodeToString(data) != text {
		return nil, fmt.Errorf("not %d digits of lower-case hex", 2*length)
	}
	return data, nil
}

// random draws bytes. crypto/rand ends the process rather than fail.
func random(length int) []byte {
	drawn := make([]byte, length)
	rand.Read(drawn)
	return drawn
}

// drawUUID draws a request's id, of version 4.
func drawUUID() []byte {
	id := random(16)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func uuidText(id []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// parseUUID takes a UUID of version 4 in lower case with hyphens, as nodes do, and nothing else.
func parseUUID(text string) ([]byte, error) {
	var digits []byte
	for place := range len(text) {
		if text[place] != '-' {
			digits = append(digits, text[place])
		}
	}
	id, err := fromHex(string(digits), 16)
	if err != nil || uuidText(id) != text || id[6]>>4 != 4 || id[8]>>6 != 2 {
		return nil, errors.New("not a UUID of version 4 in lower case")
	}
	return id, nil
}
