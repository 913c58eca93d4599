// Verifies logs with the Go project's own packages: sumdb/note for signatures, sumdb/tlog for trees, tiles and proofs.
//
// Usage: strangers FOLDER, a folder that `cargo test --test parts other_tools::` left behind (TUMAR_LOGS_OUT). The log in `sound` must be
// accepted, each of the others refused. The packages know no cosignatures: their envelope is `note`'s, what is signed stands here.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	sound   = "sound"
	entries = 5300
	lies    = 11
	height  = 8
	width   = 1 << height
)

// cosigner verifies C2SP tlog-cosignature, cosignature/v1.
type cosigner struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func newCosigner(text string) (*cosigner, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a cosigner's key")
	}
	id, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not a cosigner's key")
	}
	return &cosigner{parts[0], uint32(id), key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.id }

func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(c.key, message, signature[8:])
}

// folder reads tiles in the layout of C2SP, which leaves the height out of the path.
type folder string

func (f folder) Height() int                                { return height }
func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (f folder) path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	return filepath.Join(string(f), strings.Replace(path, "tile/8/", "tile/", 1))
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = os.ReadFile(f.path(tile)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// open returns the tree that both keys signed, as a checkpoint of the log that the first key names.
func (f folder) open(file string, logKey note.Verifier, cosignerKey note.Verifier) (tree tlog.Tree, err error) {
	text, err := os.ReadFile(filepath.Join(string(f), file))
	if err != nil {
		return tree, err
	}
	signed, err := note.Open(text, note.VerifierList(logKey, cosignerKey))
	if err != nil {
		return tree, err
	}
	if len(signed.Sigs) != 2 || len(signed.UnverifiedSigs) != 0 {
		return tree, errors.New("not signed by both")
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tree, errors.New("not a checkpoint")
	}
	if lines[0] != logKey.Name() {
		return tree, errors.New("another origin")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

func unbundle(data []byte) (records [][]byte, err error) {
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, errors.New("no length")
		}
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			return nil, errors.New("cut off")
		}
		records, data = append(records, data[2:2+length]), data[2+length:]
	}
	return records, nil
}

// audit checks all that an auditor would, and returns the number of entries.
func (f folder) audit(logKey, cosignerKey note.Verifier) (int64, error) {
	earlier, err := f.open("earlier", logKey, cosignerKey)
	if err != nil {
		return 0, err
	}
	tree, err := f.open("checkpoint", logKey, cosignerKey)
	if err != nil {
		return 0, err
	}
	if tree.N < earlier.N {
		return 0, errors.New("the log has shrunk")
	}
	hashes := tlog.TileHashReader(tree, f)
	proof, err := tlog.ProveTree(tree.N, earlier.N, hashes)
	if err != nil {
		return 0, err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash); err != nil {
		return 0, err
	}
	for first := int64(0); first < tree.N; first += width {
		if err := f.bundle(tree, hashes, first); err != nil {
			return 0, err
		}
	}
	return tree.N, nil
}

// bundle checks each entry from first on against its leaf, and each leaf by a proof of inclusion.
func (f folder) bundle(tree tlog.Tree, hashes tlog.HashReader, first int64) error {
	count := min(tree.N-first, width)
	data, err := os.ReadFile(f.path(tlog.Tile{H: height, L: -1, N: first / width, W: int(count)}))
	if err != nil {
		return err
	}
	records, err := unbundle(data)
	if err != nil {
		return err
	}
	if int64(len(records)) != count {
		return fmt.Errorf("%d entries from %d on", len(records), first)
	}
	var places []int64
	for index := first; index < first+count; index++ {
		places = append(places, tlog.StoredHashIndex(0, index))
	}
	leaves, err := hashes.ReadHashes(places)
	if err != nil {
		return err
	}
	for i, record := range records {
		hash := tlog.RecordHash(record)
		if !bytes.Equal(hash[:], leaves[i][:]) {
			return fmt.Errorf("entry %d is not its leaf", first+int64(i))
		}
	}
	// Each by a proof to the root: what the reader of tiles lets through is not yet proven to be the log's.
	for index := first; index < first+count; index++ {
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaves[index-first]); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: strangers FOLDER")
	}
	text, err := os.ReadFile(filepath.Join(os.Args[1], "keys"))
	if err != nil {
		log.Fatal(err)
	}
	keys := strings.Fields(string(text))
	if len(keys) != 2 {
		log.Fatal("keys: two are wanted")
	}
	logKey, err := note.NewVerifier(keys[0])
	if err != nil {
		log.Fatal(err)
	}
	cosignerKey, err := newCosigner(keys[1])
	if err != nil {
		log.Fatal(err)
	}
	folders, err := os.ReadDir(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	refused, accepted, wrong := 0, false, false
	for _, entry := range folders {
		if !entry.IsDir() {
			continue
		}
		count, err := folder(filepath.Join(os.Args[1], entry.Name())).audit(logKey, cosignerKey)
		switch {
		case err != nil:
			fmt.Printf("%-24s refused: %v\n", entry.Name(), err)
			refused++
			wrong = wrong || entry.Name() == sound
		default:
			fmt.Printf("%-24s accepted: %d entries\n", entry.Name(), count)
			accepted = accepted || entry.Name() == sound && count == entries
			wrong = wrong || entry.Name() != sound
		}
	}
	if wrong || !accepted || refused != lies {
		log.Fatal("other people's tools do not agree")
	}
}
