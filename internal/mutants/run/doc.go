// Command run breaks the program in the ways that package mutants lists, one at a time,
// and reports which of them no test notices.
//
//	go run ./internal/mutants/run               # all
//	go run ./internal/mutants/run -run 'H3[01]' # those whose rule or name matches
//	go run ./internal/mutants/run -table        # prints the table of docs/security.md
package main
