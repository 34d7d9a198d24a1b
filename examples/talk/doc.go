// Command talk connects two people by address, with no server between them but
// the mixnet: one listens and tells the other the address, the other calls.
//
//	go run ./examples/talk -directory URL                # prints the address, waits
//	go run ./examples/talk -directory URL -call ADDRESS  # in another folder
//
// "localnet run --directory 127.0.0.1:8000 --allow '*'" gives a network to try it
// on, and prints the URL. docs/library.md explains each line.
package main
