package cli

import (
	"io"
	stdlog "log"
	"os"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"nym-socks5/config"
)

// A level says what is logged. It can be changed while the log is in use.
type level struct{ from atomic.Int32 }

// Sample implements [zerolog.Sampler].
func (l *level) Sample(of zerolog.Level) bool { return int32(of) >= l.from.Load() }

// set takes the level of a setting.
func (l *level) set(name string) {
	from := map[string]zerolog.Level{
		"debug": zerolog.DebugLevel, "info": zerolog.InfoLevel, "warn": zerolog.WarnLevel,
		"error": zerolog.ErrorLevel, "off": zerolog.Disabled,
	}[name]
	l.from.Store(int32(from))
}

// newLog makes the log that the settings ask for.
func newLog(w io.Writer, s config.Log) (zerolog.Logger, *level) {
	if s.Format == "console" || s.Format == "auto" && isTerminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	// Libraries write to the standard log what hosts said (net/http: "Unsolicited
	// response received on idle HTTP channel starting with …").
	stdlog.SetOutput(io.Discard)
	l := new(level)
	l.set(s.Level)
	return zerolog.New(w).Sample(l).With().Timestamp().Logger(), l
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
