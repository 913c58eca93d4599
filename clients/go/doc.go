// Package tumar enrols and verifies faces and fingerprints that no server ever holds. The README beside it has ten lines to begin with.
package tumar

//go:generate go run ./internal/generate
