package tumar_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"tumar.example/tumar"
)

// Three nodes run for all tests that ask for them.
var three struct {
	once    sync.Once
	root    string
	err     error
	running []runningNode
}

type runningNode struct {
	shell *exec.Cmd
	// stop ends the node when it is closed, also by the end of a test program that has panicked.
	stop io.Closer
}

func TestMain(m *testing.M) {
	if spoilt := os.Getenv(breakVariable); spoilt != "" {
		serveConform(spoilt)
		return
	}
	code := m.Run()
	for _, node := range three.running {
		node.stop.Close()
	}
	for _, node := range three.running {
		if err := node.shell.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, "a node did not end well:", err)
			code = max(code, 1)
		}
	}
	os.RemoveAll(three.root)
	os.Exit(code)
}

// wanted is an environment variable that these tests can not do without.
func wanted(t *testing.T, name, what string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("this test needs %s=%s", name, what)
	}
	return value
}

// service is the binary of the nodes and of the command line.
func service(t *testing.T) string {
	t.Helper()
	return wanted(t, "TUMAR", "/path/to/a/built/tumar")
}

// python is an interpreter with the Python client, cryptography and kyber-py.
func python(t *testing.T) string {
	t.Helper()
	return wanted(t, "TUMAR_PYTHON", "/path/to/a/python/with/the/client")
}

// nodes is the folder that holds try/, where tumar init has written, and of which three nodes run.
func nodes(t *testing.T) string {
	t.Helper()
	binary := service(t)
	three.once.Do(func() { three.err = start(binary) })
	if three.err != nil {
		t.Fatal(three.err)
	}
	return three.root
}

func start(binary string) (err error) {
	if three.root, err = os.MkdirTemp("", "tumar-go-"); err != nil {
		return err
	}
	folder := filepath.Join(three.root, "try")
	made := exec.Command(binary, "init", folder, "--base-port", fmt.Sprint(freeBase()))
	if told, err := made.CombinedOutput(); err != nil {
		return fmt.Errorf("tumar init: %w: %s", err, told)
	}
	for party := range strings.SplitSeq("a b c", " ") {
		log, err := os.Create(filepath.Join(three.root, party+".log"))
		if err != nil {
			return err
		}
		const script = `"$0" node --config "$1" & read -r _; kill $!; wait $!`
		shell := exec.Command("sh", "-c", script, binary, filepath.Join(folder, party, "node.toml"))
		shell.Stderr = log
		stop, err := shell.StdinPipe()
		if err := errors.Join(err, shell.Start(), log.Close()); err != nil {
			return err
		}
		three.running = append(three.running, runningNode{shell, stop})
	}
	return waitFor(filepath.Join(folder, "client", "client.toml"))
}

// freeBase is a port from which on all that tumar init uses are free at this moment.
func freeBase() int {
	for {
		base, taken := 20_000+rand.IntN(30_000), false
		for _, step := range []int{0, 1, 2, 100, 101, 102, 200, 201, 202} {
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+step))
			if err != nil {
				taken = true
				break
			}
			listener.Close()
		}
		if !taken {
			return base
		}
	}
}

// waitFor returns when the leader's health says that all three nodes are linked.
func waitFor(toml string) error {
	config, err := tumar.ReadClientConfig(toml)
	if err != nil {
		return err
	}
	connection, err := tumar.Dial(config)
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request := &grpc_health_v1.HealthCheckRequest{Service: "tumar.v1.MatchingService"}
	watch, err := grpc_health_v1.NewHealthClient(connection).Watch(ctx, request, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for {
		said, err := watch.Recv()
		if err != nil {
			return fmt.Errorf("three nodes are not linked: %w", err)
		}
		if said.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
	}
}
