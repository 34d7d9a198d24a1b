package spool

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet"
)

// KeySize is the size of a key in bytes.
const KeySize = chacha20poly1305.KeySize

// suffix is that of the names of files; in front of it is their number.
const suffix = ".msg"

// Limits bound what is kept. When one more does not fit, the oldest go.
type Limits struct {
	Messages int
	Bytes    int // of bodies
}

// A Spool is a folder of messages.
type Spool struct {
	dir    string
	seal   cipher.AEAD
	limits Limits
	files  []file // oldest first
	bytes  int
	last   uint64 // number of the latest file there ever was
}

// A file is one message.
type file struct {
	id    uint64
	size  int  // of its body
	taken bool // somebody has it, who may yet bring it back
	known bool // from and to are known
	from  mixnet.SenderTag
	to    mixnet.SenderTag
}

// Open opens a folder, and makes it if it is not there. Files of another kind are
// left alone.
func Open(dir string, key [KeySize]byte, l Limits) (*Spool, error) {
	seal, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	if err := wholefile.MakeFolder(dir); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{dir: dir, seal: seal, limits: l}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	for _, e := range entries { // sorted by name, and so by age
		if strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), suffix) {
			os.Remove(filepath.Join(dir, e.Name())) // was being written when the process ended
			continue
		}
		id, ok := number(e.Name())
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		f := file{id: id, size: max(0, int(info.Size())-overhead)}
		s.files, s.last = append(s.files, f), id
		s.bytes += f.size
	}
	_, err = s.shrink()
	return s, err
}

func number(name string) (id uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 16, 64)
	return id, err == nil && id != 0
}

func (s *Spool) path(id uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x%s", id, suffix))
}

// Add keeps a message and says how many were dropped for it.
func (s *Spool) Add(m mixnet.Message) (dropped int, err error) {
	s.last++
	f := file{id: s.last, size: len(m.Body), known: true, from: m.From, to: m.To}
	if err := wholefile.Write(s.path(f.id), s.encode(f.id, m), 0o600); err != nil {
		return 1, fmt.Errorf("spool: %w", err)
	}
	s.files = append(s.files, f)
	s.bytes += f.size
	return s.shrink()
}

// shrink drops the oldest files until the limits hold.
func (s *Spool) shrink() (dropped int, err error) {
	for len(s.files) > s.limits.Messages || s.bytes > s.limits.Bytes {
		err = errors.Join(err, s.remove(0))
		dropped++
	}
	return dropped, err
}

func (s *Spool) remove(i int) error {
	f := s.files[i]
	s.files = slices.Delete(s.files, i, i+1)
	s.bytes -= f.size
	if err := os.Remove(s.path(f.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Take gives messages for which wants says yes, oldest first, until they have most
// bytes, each with the number by which to drop or return it; more: there may be
// further ones. What cannot be read is left on disk and out of account.
func (s *Spool) Take(most int, wants func(mixnet.Message) bool, give func(id uint64, m mixnet.Message)) (more bool, err error) {
	for i := 0; i < len(s.files); i++ {
		f := &s.files[i]
		if f.taken || f.known && !wants(mixnet.Message{From: f.from, To: f.to}) {
			continue
		}
		if most <= 0 {
			return true, err
		}
		m, bad := s.read(f.id)
		if bad != nil {
			err = errors.Join(err, bad)
			s.bytes -= f.size
			s.files = slices.Delete(s.files, i, i+1)
			i--
			continue
		}
		f.known, f.from, f.to = true, m.From, m.To
		if !wants(m) {
			continue
		}
		f.taken = true
		give(f.id, m)
		most -= len(m.Body) + 1
	}
	return false, err
}

func (s *Spool) read(id uint64) (mixnet.Message, error) {
	b, err := wholefile.ReadSecret(s.path(id), mixnet.MaxMessage+overhead)
	if err != nil {
		return mixnet.Message{}, fmt.Errorf("spool: %w", err)
	}
	m, err := s.decode(id, b)
	if err != nil {
		return m, fmt.Errorf("%w: %s", err, s.path(id))
	}
	return m, nil
}

// find gives the place of a file; false: it is gone.
func (s *Spool) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s.files, id, func(f file, id uint64) int {
		switch {
		case f.id < id:
			return -1
		case f.id > id:
			return 1
		}
		return 0
	})
}

// Drop removes a message that was taken.
func (s *Spool) Drop(id uint64) error {
	if i, ok := s.find(id); ok {
		return s.remove(i)
	}
	return nil
}

// Return makes a message that was taken be there again.
func (s *Spool) Return(id uint64) {
	if i, ok := s.find(id); ok {
		s.files[i].taken = false
	}
}

// Len counts the messages and the bytes of their bodies.
func (s *Spool) Len() (messages, bytes int) { return len(s.files), s.bytes }
