// Command generate brings into the package what stands elsewhere in the repository, once: the messages of proto/, the table of
// refusals, and the learned weights of fingers. `go generate` runs it; nothing that it writes is in the repository.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	module     = "tumar.example/tumar"
	repository = "../.."
)

// In this order each file stands behind those that it imports, as plugins want it.
var messages = []string{"tumar/v1/receipt.proto", "tumar/v1/committee.proto", "tumar/v1/matching.proto"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("generate: ")
	request, err := compile(filepath.Join(repository, "proto"))
	if err != nil {
		log.Fatal(err)
	}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		if err := generate(plugin, request); err != nil {
			log.Fatalf("%s: %v", plugin, err)
		}
	}
	if err := errors.Join(writeReasons(), copyWeights()); err != nil {
		log.Fatal(err)
	}
}

func writeReasons() error {
	document, err := os.ReadFile(filepath.Join(repository, "docs", "reasons.md"))
	if err != nil {
		return err
	}
	made, err := reasons(string(document))
	if err != nil {
		return err
	}
	return os.WriteFile("reasons.go", made, 0o644)
}

// copyWeights puts them where a package can embed them.
func copyWeights() error {
	const from, to = repository + "/crates/tumar-mpc/src/template/finger/weights", "finger/weights"
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	for _, model := range []string{"leader-rows-3", "leader-fixed-1"} {
		if err := os.CopyFS(filepath.Join(to, model), os.DirFS(filepath.Join(from, model))); err != nil {
			return err
		}
	}
	return nil
}

// compile reads the messages, and makes of them what protoc would hand its plugins. So no protoc has to be installed.
func compile(folder string) ([]byte, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{folder}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), messages...)
	if err != nil {
		return nil, err
	}
	parameters := []string{"module=" + module}
	var descriptors []*descriptorpb.FileDescriptorProto
	for _, file := range files {
		parameters = append(parameters, "M"+file.Path()+"="+module+"/v1;tumarv1")
		descriptors = append(descriptors, protoutil.ProtoFromFileDescriptor(file))
	}
	return proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: messages,
		Parameter:      proto.String(strings.Join(parameters, ",")),
		ProtoFile:      descriptors,
	})
}

// generate runs a plugin of the version that go.mod pins, and writes what it makes.
func generate(plugin string, request []byte) error {
	command := exec.Command("go", "tool", plugin)
	command.Stdin, command.Stderr = bytes.NewReader(request), os.Stderr
	answer, err := command.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(answer, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	for _, file := range response.File {
		if err := os.MkdirAll(filepath.Dir(file.GetName()), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file.GetName(), []byte(file.GetContent()), 0o644); err != nil {
			return fmt.Errorf("%s: %w", file.GetName(), err)
		}
	}
	return nil
}
