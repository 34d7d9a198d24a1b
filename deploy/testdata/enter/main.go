// Command enter changes into a folder and becomes another program: enter DIR PROGRAM ARG...
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	err := os.Chdir(os.Args[1])
	path := ""
	if err == nil {
		path, err = exec.LookPath(os.Args[2])
	}
	if err == nil {
		err = syscall.Exec(path, os.Args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "enter:", err)
	os.Exit(1)
}
