package clitest

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestMain(m *testing.M) {
	Main(m, map[string]func() int{"sample": func() int {
		code, err := strconv.Atoi(os.Args[1])
		if err != nil {
			return 99
		}
		fmt.Println(os.Getenv("STATE_DIRECTORY"))
		return code
	}})
}

func TestScripts(t *testing.T) { Scripts(t) }
