package boltstore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// childVar tells a process that it is the child which is killed, and what it does.
const childVar = "BOLTSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if child := os.Getenv(childVar); child != "" {
		what, dir, _ := strings.Cut(child, " ")
		err := map[string]func(string) error{"mail": writeMail, "tags": writeTags}[what](dir)
		fmt.Fprintln(os.Stderr, "child:", err) // it should not have ended by itself
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	childSenders = 8
	childKills   = 5
	childAcks    = 150 // before each kill
)

// writeMail stores mail until the process is killed, and prints a line for each
// message that is acknowledged.
func writeMail(dir string) error {
	g, err := OpenGateway(filepath.Join(dir, "gateway.db"), gateway.Limits{})
	if err != nil {
		return err
	}
	round := os.Getpid()
	errs := make(chan error)
	var out sync.Mutex
	for s := range childSenders {
		go func() {
			for i := 0; ; i++ {
				m := childMail(s, round, i)
				if err := g.Put(context.Background(), []gateway.Mail{m})[0]; err != nil {
					errs <- err
					return
				}
				out.Lock()
				fmt.Println(s, round, i)
				out.Unlock()
			}
		}()
	}
	return <-errs
}

func childMail(sender, round, i int) gateway.Mail {
	var m gateway.Mail
	m.Client = keys.Identity{byte(sender)}
	m.Message = binary.BigEndian.AppendUint32(nil, uint32(round))
	m.Message = binary.BigEndian.AppendUint32(m.Message, uint32(i))
	for len(m.Message) < 2000 {
		sum := sha256.Sum256(m.Message)
		m.Message = append(m.Message, sum[:]...)
	}
	m.Arrived = time.Unix(int64(i), 0)
	return m
}

// writeTags appends replay tags until the process is killed.
func writeTags(dir string) error {
	l, err := OpenReplayLog(dir, childKey())
	if err != nil {
		return err
	}
	if !l.Clean() {
		return errors.New("not clean")
	}
	n := 0
	if err := l.Load(func(mixnode.ReplayTag) { n++ }); err != nil {
		return err
	}
	for ; ; n += 3 {
		if err := l.Append(tagsFrom(n, 3)); err != nil {
			return err
		}
		fmt.Println(n, 3, 0)
	}
}

func childKey() keys.Sphinx { return keys.SphinxKeyFromBytes([32]byte{1}).Public() }

// killed runs a child until it has acknowledged some writes, kills it, and gives
// all that it had acknowledged.
func killed(t *testing.T, what, dir string, acks int) (acked [][3]int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+what+" "+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break // half a line is no acknowledgement
		}
		must(t, err)
		var a [3]int
		if _, err := fmt.Sscan(line, &a[0], &a[1], &a[2]); err != nil {
			t.Fatalf("child said %q", line)
		}
		if acked = append(acked, a); len(acked) == acks {
			must(t, cmd.Process.Kill()) // SIGKILL; what it said until then is still read
		}
	}
	if err := cmd.Wait(); err == nil || len(acked) < acks {
		t.Fatalf("the child ended by itself after %d acknowledgements: %v", len(acked), err)
	}
	return acked
}

// A gateway that is killed again and again has all mail that it acknowledged,
// whole, once and in order.
func TestKilledGatewayKeepsItsMail(t *testing.T) {
	dir := t.TempDir()
	var acked [][3]int
	for i := range childKills {
		acked = append(acked, killed(t, "mail", dir, childAcks+i*7)...)
	}
	path := filepath.Join(dir, "gateway.db")
	g, err := OpenGateway(path, gateway.Limits{})
	must(t, err)
	has := make(map[[3]int]bool)
	for s := range childSenders {
		mail, err := g.Fetch(t.Context(), keys.Identity{byte(s)}, 0, math.MaxInt)
		must(t, err)
		last := make(map[int]int)
		for _, m := range mail {
			round, i := int(binary.BigEndian.Uint32(m.Message)), int(binary.BigEndian.Uint32(m.Message[4:]))
			want := childMail(s, round, i)
			if string(m.Message) != string(want.Message) || !m.Arrived.Equal(want.Arrived) {
				t.Fatalf("message %d of sender %d was changed", i, s)
			}
			if i != last[round] {
				t.Fatalf("message %d of sender %d in place of %d", i, s, last[round])
			}
			last[round]++
			has[[3]int{s, round, i}] = true
		}
	}
	for _, a := range acked {
		if !has[a] {
			t.Errorf("message %d of sender %d was acknowledged, and is lost", a[2], a[0])
		}
	}
	must(t, g.Close())
	must(t, sound(path))
	t.Logf("%d messages acknowledged, %d there", len(acked), len(has))
}

// H18, for the end that is the most frequent.
func TestH18KilledNodeKeepsItsTags(t *testing.T) {
	for _, sync := range []ReplaySync{SyncEach, SyncAtEnd} {
		t.Run(fmt.Sprint("at end ", sync), func(t *testing.T) { testKilledNode(t, sync) })
	}
}

func testKilledNode(t *testing.T, sync ReplaySync) {
	dir := t.TempDir()
	create := func() {
		l, err := CreateReplayLog(dir, childKey(), sync)
		must(t, err)
		must(t, l.Close())
	}
	create()
	most := 0
	for range childKills {
		for _, a := range killed(t, "tags", dir, childAcks/3) {
			most = max(most, a[0]+a[1])
		}
		l, err := OpenReplayLog(dir, childKey())
		must(t, err)
		got := []mixnode.ReplayTag(nil)
		if l.Clean() {
			got = loadTags(t, l)
		} else { // the kernel stopped in the middle of a record, between two pages
			got = tagsBeforeTornRecord(t, dir)
		}
		for i, tag := range got {
			if tag != tagsFrom(i, 1)[0] {
				t.Fatalf("tag %d is %x", i, tag)
			}
		}
		if len(got) < most {
			t.Fatalf("%d tags of %d that were acknowledged", len(got), most)
		}
		if l.Clean() {
			must(t, l.Close())
			continue
		}
		must(t, l.Remove())
		create()
		most = 0
	}
}

// tagsBeforeTornRecord reads a log that is not clean. The only reason may be that its
// last record is half there: one that nobody was told is written.
func tagsBeforeTornRecord(t *testing.T, dir string) (tags []mixnode.ReplayTag) {
	t.Helper()
	f, err := os.Open(replayPath(dir, childKey()))
	must(t, err)
	defer f.Close()
	h, end, err := scan(f, childKey())
	info, statErr := f.Stat()
	must(t, statErr)
	page := int64(os.Getpagesize())
	if err == nil || info.Size()%page != 0 || info.Size()-end >= page {
		t.Fatalf("the log of a killed process is not clean: %v at %d of %d bytes", err, end, info.Size())
	}
	_, err = scanRecords(f, h.size(), end, func(some []mixnode.ReplayTag) { tags = append(tags, some...) })
	must(t, err)
	return tags
}
