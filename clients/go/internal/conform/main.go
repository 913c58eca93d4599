// Command conform answers the questions of vectors/conform.py by this client.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

type answer map[string]any

type question struct {
	Ask  string `json:"ask"`
	line []byte
}

// into reads the question's members. Members that are not asked for are left out.
func (q *question) into(members any) {
	if err := json.Unmarshal(q.line, members); err != nil {
		log.Panicf("%s: %v", q.Ask, err)
	}
}

var answers = map[string]func(*question) answer{
	"quantise": quantise, "split": split, "info": info, "seal": seal, "transcript": transcript, "person": person,
	"committee": committee, "receipts": receipts, "found": found, "certificate": certificate, "proof": proof, "approval": approval,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	written := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		asked := &question{line: lines.Bytes()}
		asked.into(asked)
		made := answer{"unsupported": true}
		if known := answers[asked.Ask]; known != nil {
			made = known(asked)
		}
		if err := written.Encode(made); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
