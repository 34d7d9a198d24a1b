// Command run measures the figures of package bench, prints them as a table, and
// writes them for docs/benchmarks.md. "make bench" starts it.
//
//	go run ./internal/bench/run                                     # all, into the terminal
//	go run ./internal/bench/run -run upload                         # those whose name matches
//	go run ./internal/bench/run -json FILE -md FILE                 # all, into files too
//
// It ends with status 1 where a figure could not be measured. A goal that is
// missed is a row that says so, and no failure.
package main
