package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nym-socks5/allowlist"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
)

const refusedFile = "refused.json"

// A refusal is one target that was refused. It tells nothing of who asked, and of
// when only the day.
type refusal struct {
	Target string `json:"target"` // host:port
	Reason string `json:"reason"`
	Times  uint64 `json:"times"`
	Day    string `json:"last"` // the last one, such as 2026-05-16, in UTC
}

// refusals counts refused targets by reason and port, and remembers which they were
// if the operator wants that. Its methods may be called by many goroutines.
type refusals struct {
	path string // of the file; empty: targets are not remembered

	mu      sync.Mutex
	kinds   map[string]uint64 // since the last line of the log
	targets map[string]refusal
	changed bool
}

// openRefusals reads what was written down before, where the operator wants that.
// Else nothing is kept, nor left from before.
func openRefusals(path string, keep bool) (*refusals, error) {
	r := &refusals{kinds: make(map[string]uint64), targets: make(map[string]refusal)}
	if !keep {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return r, nil
	}
	r.path = path
	list, err := readRefusals(path)
	for _, one := range list {
		r.targets[one.Target] = one
	}
	return r, err
}

// readRefusals reads such a file; none is an empty list.
func readRefusals(path string) ([]refusal, error) {
	b, err := wholefile.ReadSecret(path, maxOfFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []refusal
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w); it can be removed, nothing else needs it", path, err)
	}
	return list, nil
}

// add counts a refused target.
func (r *refusals) add(host string, port uint16, why error) {
	reason := because(why)
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := fmt.Sprintf("%s, port %d", reason, port)
	if _, known := r.kinds[kind]; !known && len(r.kinds) >= maxKinds {
		kind = "other reasons and ports"
	}
	r.kinds[kind]++
	if r.path == "" {
		return
	}
	target := net.JoinHostPort(strings.ToLower(host), strconv.Itoa(int(port)))
	one, known := r.targets[target]
	if !known && len(r.targets) >= maxRefused {
		r.forgetOne()
	}
	one.Target, one.Reason, one.Day = target, reason, time.Now().UTC().Format(time.DateOnly)
	one.Times++
	r.targets[target], r.changed = one, true
}

// forgetOne makes room: of the targets with the fewest refusals, that of the
// earliest day goes.
func (r *refusals) forgetOne() {
	least := slices.MinFunc(slices.Collect(maps.Values(r.targets)), func(a, b refusal) int {
		return cmp.Or(cmp.Compare(a.Times, b.Times), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Target, b.Target))
	})
	delete(r.targets, least.Target)
}

// tell gives the counts since it was asked last, most first, and begins anew.
func (r *refusals) tell() []string {
	r.mu.Lock()
	kinds := r.kinds
	r.kinds = make(map[string]uint64)
	r.mu.Unlock()
	var lines []string
	for _, kind := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), cmp.Compare(a, b))
	}) {
		lines = append(lines, fmt.Sprintf("%d: %s", kinds[kind], kind))
	}
	return lines
}

// save writes the targets down, if they are to be and some are new.
func (r *refusals) save() error {
	r.mu.Lock()
	list, changed := r.sorted(), r.changed
	r.changed = false
	r.mu.Unlock()
	if r.path == "" || !changed {
		return nil
	}
	b, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	return wholefile.Write(r.path, append(b, '\n'), 0o600)
}

func (r *refusals) sorted() []refusal {
	return slices.SortedFunc(maps.Values(r.targets), func(a, b refusal) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Target, b.Target))
	})
}

// because is the reason of a refusal in words, without the host.
func because(err error) string {
	var denied *allowlist.DeniedError
	if errors.As(err, &denied) {
		return denied.Reason.String()
	}
	return "its address was no longer allowed when it was dialed"
}

// listRefused prints what was written down.
func listRefused(c *cli.Call[*config.Requester]) ([]cli.Detail, error) {
	list, err := readRefusals(c.State.Path(refusedFile))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 && !c.Config.Egress.KeepRefused {
		return nil, cli.Invalid("refused targets are not written down: set requester.keep_refused, and start the requester again")
	}
	facts := []cli.Detail{}
	for _, one := range list {
		facts = append(facts, cli.Detail{Name: one.Target, Value: fmt.Sprintf("%d times, last on %s: %s", one.Times, one.Day, one.Reason)})
	}
	return facts, nil
}
