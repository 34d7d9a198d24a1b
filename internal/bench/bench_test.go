package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal    Goal
		text    string
		v       Value
		met, ok bool
	}{
		{Goal{}, "", Value{Measured: 1}, false, false},
		{AtMost(2), "<= 2", Value{Measured: 2}, true, true},
		{AtMost(2), "<= 2", Value{Measured: 2.01}, false, true},
		{AtLeast(95), ">= 95", Value{Measured: 95}, true, true},
		{AtLeast(95), ">= 95", Value{Measured: 94}, false, true},
		{AtMostTimes(1.15), "<= 1.15x", Value{11, 10}, true, true},
		{AtMostTimes(1.15), "<= 1.15x", Value{12, 10}, false, true},
		{AtLeastTimes(0.7), ">= 0.7x", Value{7, 10}, true, true},
		{AtLeastTimes(0.7), ">= 0.7x", Value{6, 10}, false, true},
		{AtMostTimes(1), "<= 1x", Value{Measured: 0}, false, true}, // no yardstick, no success
	} {
		if got := c.goal.String(); got != c.text {
			t.Errorf("goal is written %q, want %q", got, c.text)
		}
		if met, ok := c.goal.Met(c.v); met != c.met || ok != c.ok {
			t.Errorf("%v with %+v: met %v, has a goal %v, want %v, %v", c.goal, c.v, met, ok, c.met, c.ok)
		}
	}
}

// sample rows: with all columns, and with none that may be missing.
func sampleRows() []Row {
	hop := Figure{Name: "unwrap", Unit: "us", Goal: AtMostTimes(1.1)}
	slow := Figure{Name: "first byte", Unit: "ms", Goal: AtMost(10)}
	info := Figure{Name: "throughput", Unit: "packets/s"}
	return []Row{hop.row(Value{66, 60}), slow.row(Value{Measured: 12.34}), info.row(Value{Measured: 15384})}
}

func TestTable(t *testing.T) {
	var got strings.Builder
	if err := WriteTable(&got, sampleRows()); err != nil {
		t.Fatal(err)
	}
	want := `
FIGURE      GOAL     MEASURED  UNIT       YARDSTICK  RATIO  MET
unwrap      <= 1.1x  66.0      us         60.0       1.10   yes
first byte  <= 10    12.3      ms         -          -      NO
throughput  -        15384     packets/s  -          -      -
`
	if got.String() != want[1:] {
		t.Errorf("table:\n%swant:%s", got.String(), want)
	}
}

func TestMarkdown(t *testing.T) {
	var got strings.Builder
	m := Machine{CPU: "A fast one", Cores: 2, OS: "linux", Arch: "amd64", GoVersion: "go1.26"}
	if err := WriteMarkdown(&got, sampleRows(), m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Measured on A fast one, 2 cores, linux/amd64, go1.26.\n",
		"| unwrap | <= 1.1x | 66.0 | us | 60.0 | 1.10 | yes |\n",
		"| first byte | <= 10 | 12.3 | ms | - | - | NO |\n",
		"| throughput | - | 15384 | packets/s | - | - | - |\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, got.String())
		}
	}
	if ThisMachine().Cores < 1 || ThisMachine().CPU == "" {
		t.Errorf("this machine: %+v", ThisMachine())
	}
}

func TestJSONRoundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, sampleRows()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"figure"`, `"goal": "<= 10"`, `"measured": 12.34`, `"unit"`, `"yardstick": null`, `"ratio": 1.1`, `"met": false`} {
		if !strings.Contains(b.String(), key) {
			t.Errorf("no %s in\n%s", key, b.String())
		}
	}
	got, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	want := sampleRows()
	want[2].Measured = 15380 // four digits
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	if _, err := ReadJSON(strings.NewReader(`[{"figure":"x","speed":1}]`)); err == nil {
		t.Error("a field that does not exist was read")
	}
}

func TestWriteJSONLeavesRowsAlone(t *testing.T) {
	rows := sampleRows()
	if err := WriteJSON(io.Discard, rows); err != nil {
		t.Fatal(err)
	}
	if rows[2].Measured != 15384 {
		t.Errorf("measured became %v", rows[2].Measured)
	}
}

func TestFigures(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range figures() {
		if f.Name == "" || f.Unit == "" || f.Measure == nil || seen[f.Name] {
			t.Errorf("figure %q is not complete, or there twice", f.Name)
		}
		seen[f.Name] = true
	}
}

func TestRunSelects(t *testing.T) {
	rows, err := Run(t.Context(), Config{Select: regexp.MustCompile("no such figure")})
	if err != nil || len(rows) != 0 {
		t.Errorf("%d rows, %v, want none", len(rows), err)
	}
}

func TestOnce(t *testing.T) {
	l := &Lab{known: make(map[string]any)}
	calls := 0
	measure := func() (int, error) {
		if calls++; calls == 1 {
			return 0, errors.New("not this time")
		}
		return calls, nil
	}
	if _, err := once(l, "x", measure); err == nil {
		t.Error("the error is lost")
	}
	for range 2 {
		if v, err := once(l, "x", measure); v != 2 || err != nil {
			t.Errorf("got %v, %v, want 2", v, err)
		}
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{5, 1, 9}); got != 5 {
		t.Errorf("median %v, want 5", got)
	}
	if got := quantile([]time.Duration{1e6, 2e6, 3e6, 4e6, 5e6}, 0.99); got != 5 {
		t.Errorf("quantile %v ms, want 5", got)
	}
}

func TestInterleaveCountsAllocations(t *testing.T) {
	var keep []byte
	costs := interleave(5, []operation{
		func(n int) {
			for range n {
				keep = make([]byte, 1<<10)
			}
		},
	})
	if len(keep) == 0 || costs[0].CPU <= 0 || costs[0].Allocs < 1 || costs[0].Allocs > 1.5 {
		t.Errorf("cost %+v, want one allocation and some time", costs[0])
	}
}

func TestCPUClocksAdvance(t *testing.T) {
	thread, process := threadCPU(), processCPU()
	for i := 0; threadCPU() == thread; i++ {
		if i > 1e8 {
			t.Fatal("the thread's clock stands still")
		}
	}
	if processCPU() <= process {
		t.Error("the process's clock stands still")
	}
}

func TestUnknownChild(t *testing.T) {
	if err := Child(t.Context(), "nobody", strings.NewReader(""), io.Discard); err == nil {
		t.Error("a child without a job ran")
	}
}

// The relay's two sides speak to each other here without a process between them.
func TestRelay(t *testing.T) {
	for name, noise := range map[string]bool{"plain": false, "noise": true} {
		t.Run(name, func(t *testing.T) {
			r, err := newRelay(noise, 1, 100)
			if err != nil {
				t.Fatal(err)
			}
			c, err := playChild(t, childRelay, func(p *pipe) (relayCost, error) { return r.measure(t.Context(), p) })
			if err != nil || c.node <= 0 || c.unwrap <= 0 {
				t.Errorf("cost %+v, %v", c, err)
			}
		})
	}
}

func TestTransfers(t *testing.T) {
	tr, err := in(context.Background(), client.Fast(), func(w *world) (*transfers, error) {
		return measureTransfers(&w.testbed, processCPU, mixnet.Regular, 50_000)
	})
	if err != nil {
		t.Fatal(err)
	}
	for d := range directions {
		if tr.seconds[d] <= 0 || tr.cpu[d] <= 0 || tr.bound[d] <= 0 {
			t.Errorf("direction %d: %v s, %v s of CPU", d, tr.seconds[d], tr.cpu[d])
		}
	}
}

func TestFiguresOfOtherProcesses(t *testing.T) {
	began := cpuOf(os.Getpid())
	for processCPU() < 50*time.Millisecond { // of this process, since it began
	}
	if runtime.GOOS != "linux" {
		return // elsewhere neither is known
	}
	if used := cpuOf(os.Getpid()); used < 20*time.Millisecond || used < began {
		t.Errorf("this process used %v, and %v before", used, began)
	}
	if got, err := residentMemoryOf(os.Getpid()); err != nil || got < 1e6 {
		t.Errorf("this process has %v bytes, %v", got, err)
	}
	const nobody = 1 << 30
	if got := cpuOf(nobody); got != 0 {
		t.Errorf("a process that is not there used %v", got)
	}
	if got, err := residentMemoryOf(nobody); err == nil {
		t.Errorf("a process that is not there has %v bytes", got)
	}
}
