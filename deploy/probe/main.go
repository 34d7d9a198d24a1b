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

// patience is how long a port may take: our compose file gives a check 10 seconds.
const patience = 3 * time.Second

func main() {
	ports := os.Args[1:]
	if len(ports) == 0 {
		ports = strings.Fields(os.Getenv("HEALTH"))
	}
	if err := probe(ports); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// probe connects to the ports, one after the other.
func probe(ports []string) error {
	for _, at := range ports {
		c, err := net.DialTimeout("tcp", at, patience)
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}
