// Command probe says whether ports accept connections: the health check of our
// container images, which have no shell.
//
//	probe ADDRESS...     or, without any, those of the variable HEALTH
//
// It exits with 0 if all do, or if there are none to ask.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	ports := os.Args[1:]
	if len(ports) == 0 {
		ports = strings.Fields(os.Getenv("HEALTH"))
	}
	for _, at := range ports {
		c, err := net.DialTimeout("tcp", at, 3*time.Second)
		if err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			os.Exit(1)
		}
		c.Close()
	}
}
