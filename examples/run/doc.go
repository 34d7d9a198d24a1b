// Command run runs all examples against a network of separate programs, each with
// the counterparts that it would have in life: "make examples".
//
//	go build ─▶ programs in a temporary folder ─▶ localnet run ─▶ one example after the other ─▶ a table
//
// It needs Python 3, Node.js 20, curl and Chromium, and says so at once where one is
// missing; -without leaves out the examples that need it. All it starts is on
// loopback and ends with it, and with each step a time.
package main
