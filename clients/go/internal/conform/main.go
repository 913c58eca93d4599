// Command conform answers the questions of vectors/conform.py by this client.
package main

import (
	"log"
	"os"

	"tumar.example/tumar/internal/answers"
)

func main() {
	if err := answers.Serve(os.Stdin, os.Stdout, answers.All()); err != nil {
		log.Fatal(err)
	}
}
