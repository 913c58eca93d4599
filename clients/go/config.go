package tumar

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// NodePin is one node's public keys, as they are pinned.
type NodePin struct {
	Party Party
	// Identity is an Ed25519 key of 32 bytes.
	Identity []byte
	LogKey   *VerifierKey
}

// ClientConfig is everything a client needs before it connects.
type ClientConfig struct {
	Deployment   string
	RelyingParty string
	// Client is the client_id of its tokens.
	Client string
	// Address of the leader, host:port.
	Address string
	// ServerName in the leader's certificate.
	ServerName string
	// Base is what proofs say of the leader's address: https://HOST[:PORT].
	Base string
	// Certificate in PEM: what the leader's certificate must be, or lead to.
	Certificate []byte
	// ProofKey is the key that tokens are bound to.
	ProofKey *SigningKey
	Nodes    [3]NodePin
}

// clientFile is client.toml. Members that are not here are for other programs.
type clientFile struct {
	Deployment   string     `toml:"deployment"`
	RelyingParty string     `toml:"relying_party"`
	Client       string     `toml:"client"`
	Address      string     `toml:"address"`
	ServerName   string     `toml:"server_name"`
	Base         string     `toml:"base"`
	Certificate  string     `toml:"certificate"`
	ProofKey     string     `toml:"proof_key"`
	Nodes        []nodeFile `toml:"node"`
}

type nodeFile struct {
	Party    string `toml:"party"`
	Identity string `toml:"identity"`
	LogKey   string `toml:"log_key"`
}

// ReadClientConfig reads client.toml and the files it names, which are relative to its folder.
func ReadClientConfig(path string) (*ClientConfig, error) {
	var file clientFile
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return nil, inputError("%s: %v", path, err)
	}
	config, err := file.config(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

func (f *clientFile) config(folder string) (*ClientConfig, error) {
	for name, value := range map[string]string{
		"deployment": f.Deployment, "relying_party": f.RelyingParty, "client": f.Client, "address": f.Address,
		"server_name": f.ServerName, "base": f.Base, "certificate": f.Certificate, "proof_key": f.ProofKey,
	} {
		if value == "" {
			return nil, inputError("the key %s is missing", name)
		}
	}
	pins, err := f.pins()
	if err != nil {
		return nil, err
	}
	certificate, err := os.ReadFile(beside(folder, f.Certificate))
	if err != nil {
		return nil, inputError("%v", err)
	}
	key, err := ReadSigningKey(beside(folder, f.ProofKey))
	if err != nil {
		return nil, err
	}
	return &ClientConfig{
		f.Deployment, f.RelyingParty, f.Client, f.Address, f.ServerName, f.Base, certificate, key, pins,
	}, nil
}

func (f *clientFile) pins() (pins [3]NodePin, err error) {
	if len(f.Nodes) != len(parties) {
		return pins, inputError("it must pin the nodes A, B and C, in this order")
	}
	for place, node := range f.Nodes {
		if node.Party != string(parties[place]) {
			return pins, inputError("it must pin the nodes A, B and C, in this order")
		}
		identity, err := fromHex(node.Identity, 32)
		if err != nil {
			return pins, inputError("identity of node %s: %v", node.Party, err)
		}
		key, err := ParseVerifierKey(node.LogKey)
		if err != nil {
			return pins, fmt.Errorf("log_key of node %s: %w", node.Party, err)
		}
		pins[place] = NodePin{parties[place], identity, key}
	}
	return pins, nil
}

func beside(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
