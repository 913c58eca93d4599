// Package tumar enrols and verifies faces and fingerprints that no server ever holds. Its README has a program to begin with.
package tumar

//go:generate go run ./internal/generate
