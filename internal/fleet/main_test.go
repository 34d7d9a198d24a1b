package fleet

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"nym-socks5/internal/clitest"
)

// roles are what else the test binary can be: a process that serves a test.
// The variable fleetTestRole chooses one.
var roles = map[string]func() error{
	"web":   serveFile,
	"fleet": runFleet,
	"part":  playPart,
}

const fleetTestRole = "FLEET_TEST_ROLE"

// programDir is where the programs are built, when a test wants them.
var programDir string

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(fleetTestRole)]; ok {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else the parts sleep for a second at their end
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if programDir != "" {
			os.RemoveAll(programDir)
		}
		os.Exit(code)
	}))
}

// build builds the programs that this package supervises.
var build = sync.OnceValue(func() (err error) {
	if programDir, err = os.MkdirTemp("", "fleet-test-"); err != nil {
		return err
	}
	var packages []string
	for _, p := range programs {
		packages = append(packages, "../../cmd/"+p)
	}
	return clitest.Build(programDir, packages...)
})

// built gives the folder of the programs.
func built(t *testing.T) string {
	t.Helper()
	must(t, build())
	return programDir
}

// found finds the programs that were built.
func found(t *testing.T) Programs {
	t.Helper()
	p, err := Find(built(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// as gives the environment of a process that plays a role.
func as(role string, more ...string) []string {
	return append(append(os.Environ(), fleetTestRole+"="+role), more...)
}

// serveFile is a web server at $ADDR that gives the file $FILE at every path.
func serveFile() error {
	return http.ListenAndServe(os.Getenv("ADDR"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, os.Getenv("FILE"))
	}))
}
