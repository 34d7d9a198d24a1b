package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nym-socks5/config"
	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet/keys"
)

// stateVersion is that of the state folder. It changes when a folder would be
// misunderstood by the program before.
//
//	1  texts in files of their own
//	2  texts in records, below a folder of that name
const stateVersion = 2

// Files of a state folder, beside those of the keys and of the program.
const (
	versionFile = "version" // written last, when a new folder is complete
	lockFile    = "lock"
)

// A State is a program's folder of keys and state.
type State struct {
	dir  string
	lock *os.File // nil: opened for looking only
}

// An Upgrade makes of a state folder of version 1 one of today.
type Upgrade struct {
	// Convert writes what there is now beside what there was. It may be called
	// again after it was cut off. May be nil.
	Convert func(*State) error
	// Converted removes what there was. It is called at every opening, since it
	// may have been cut off too. May be nil.
	Converted func(*State) error
}

// OpenState opens the folder for one program alone, and makes it if needed.
// fresh: it has no complete state yet.
func OpenState(dir string, up Upgrade) (s *State, fresh bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, err
	}
	s = &State{dir: dir}
	if s.lock, err = lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, false, err
	}
	version, err := s.version()
	if err == nil && version == 1 && up.Convert != nil {
		err = up.Convert(s)
	}
	if err == nil && version == 1 {
		err = s.complete()
	}
	if err == nil && version != 0 && up.Converted != nil {
		err = up.Converted(s)
	}
	if err != nil {
		return nil, false, errors.Join(err, s.Close())
	}
	return s, version == 0, nil
}

// Close lets others have the folder.
func (s *State) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Path is where a file of the folder is.
func (s *State) Path(name string) string { return filepath.Join(s.dir, name) }

// ReadText reads a short text that nobody else may read, without the line feed
// at its end; it is empty if there is no such file.
func (s *State) ReadText(name string) (string, error) {
	b, err := ReadSecret(s.Path(name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// WriteText writes such a text, whole or not at all.
func (s *State) WriteText(name, text string) error {
	return wholefile.Write(s.Path(name), []byte(text+"\n"), 0o600)
}

// Identity reads the identity key of a file, for programs that had several. Its
// error is [os.ErrNotExist] if there is none.
func (s *State) Identity(name string) (*keys.IdentityKey, error) {
	b, err := ReadSecret(s.Path(name))
	if err != nil {
		return nil, err
	}
	secret, err := Identity.decode(b)
	if err != nil {
		return nil, Invalid("%s: %v", s.Path(name), err)
	}
	return keys.IdentityKeyFromSeed([keys.Size]byte(secret)), nil
}

// version reads that of the folder; zero: it has no complete state yet.
func (s *State) version() (int, error) {
	text, err := s.ReadText(versionFile)
	if err != nil || text == "" {
		return 0, err
	}
	v, err := strconv.Atoi(text)
	switch {
	case err != nil || v < 1:
		return 0, fmt.Errorf("%s: %w: it is no version of a state folder", s.Path(versionFile), config.ErrInvalid)
	case v > stateVersion:
		return 0, fmt.Errorf("%s: %w: the folder is of version %d, and this program knows versions up to %d: use a newer program", s.Path(versionFile), config.ErrInvalid, v, stateVersion)
	}
	return v, nil
}

// complete marks a new folder as such.
func (s *State) complete() error { return s.WriteText(versionFile, strconv.Itoa(stateVersion)) }

// makeKeys draws the keys that are not there yet.
func (s *State) makeKeys(kinds []Key) error {
	for _, k := range kinds {
		path := s.Path(k.file())
		there, err := exists(path)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if err := wholefile.Write(path, k.encode(k.draw()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// loadKeys reads the keys. It says what is wrong with each of them.
func (s *State) loadKeys(kinds []Key) (ks Keys, err error) {
	var errs []error
	for _, k := range kinds {
		secret, err := s.loadKey(k)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ks.put(k, secret)
	}
	return ks, errors.Join(errs...)
}

func (s *State) loadKey(k Key) (secret []byte, err error) {
	path := s.Path(k.file())
	b, err := ReadSecret(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, Invalid("%s is missing; without it this instance is somebody else. Restore it, or begin a new instance with --id", path)
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, Invalid("%v: it belongs to another user; run this as that user, or hand the state folder over with chown", err)
	}
	if err != nil {
		return nil, err
	}
	if secret, err = k.decode(b); err != nil {
		return nil, Invalid("%s is no file of a key: %v. Restore it, or begin a new instance with --id", path, err)
	}
	return secret, nil
}
