package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: strip PROGRAM.wasm…")
		os.Exit(2)
	}
	for _, name := range os.Args[1:] {
		if err := stripFile(name); err != nil {
			fmt.Fprintf(os.Stderr, "strip: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func stripFile(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := strip(b); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o666)
}

// strip changes a program in place.
func strip(program []byte) (err error) {
	defer func() { // a program that is cut off, or none
		if r := recover(); r != nil {
			err = fmt.Errorf("no program for js/wasm of this Go's linker: %v", r)
		}
	}()
	m, err := load(program)
	if err != nil {
		return err
	}
	if err := m.stripTable(); err != nil {
		return err
	}
	m.store(program)
	return nil
}

// A memory is what a program's data segments make of its memory.
type memory struct {
	bytes    []byte
	segments []segment
}

// A segment is a run of bytes in the file.
type segment struct{ at, file, size int }

// dataSection is the number of the section with the segments (WebAssembly 1.0,
// §5.5.2).
const dataSection = 11

// load finds the segments of a program.
func load(program []byte) (*memory, error) {
	if !bytes.HasPrefix(program, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, errors.New("not WebAssembly 1.0")
	}
	m := new(memory)
	for r := (reader{program, 8}); r.at < len(program); {
		kind, size := r.byte(), r.number()
		end := r.at + size
		for n := 0; kind == dataSection && r.at < end; n++ {
			if n == 0 {
				r.number() // how many there are
			}
			// A segment of memory 0, at i32.const N, end.
			if r.byte() != 0 || r.byte() != 0x41 {
				return nil, errors.New("a data segment that Go's linker does not make")
			}
			at := r.signed()
			if r.byte() != 0x0b {
				return nil, errors.New("a data segment at an address that is not constant")
			}
			s := segment{at: at, size: r.number()}
			s.file, r.at = r.at, r.at+s.size
			m.segments = append(m.segments, s)
			if need := s.at + s.size - len(m.bytes); need > 0 {
				m.bytes = append(m.bytes, make([]byte, need)...)
			}
			copy(m.bytes[s.at:], program[s.file:s.file+s.size])
		}
		r.at = end
	}
	return m, nil
}

// store puts the segments back.
func (m *memory) store(program []byte) {
	for _, s := range m.segments {
		copy(program[s.file:s.file+s.size], m.bytes[s.at:])
	}
}

// Offsets in a _func (runtime/runtime2.go).
const (
	offPCSP      = 16
	offFile      = 20
	offLine      = 24
	offNPCData   = 28
	offCU        = 32
	offStartLine = 36
	funcSize     = 44
)

// stripTable takes files and lines out of the table.
func (m *memory) stripTable() error {
	// Magic, two zeros, instructions of one byte, pointers of eight.
	head := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}
	at := bytes.Index(m.bytes, head)
	if at < 0 || bytes.Contains(m.bytes[at+1:], head) {
		return errors.New("not just one table of functions")
	}
	word := func(i int) int { return int(binary.LittleEndian.Uint64(m.bytes[at+8*i:])) }
	functions, files, lines, table := word(1), word(5), word(7), word(8)
	if !(functions > 0 && files < word(6) && word(6) < lines && lines < table) {
		return errors.New("a table of functions in an unknown order")
	}
	pctab := m.bytes[at+lines : at+table]
	keep := make([]bool, len(pctab)) // what the runtime needs: tables of equal bytes are one
	keep[0] = true
	u32 := func(b []byte) int { return int(binary.LittleEndian.Uint32(b)) }
	for i := range functions {
		f := m.bytes[at+table+u32(m.bytes[at+table+8*i+4:]):]
		needed := []int{u32(f[offPCSP:])}
		for d := range u32(f[offNPCData:]) {
			needed = append(needed, u32(f[funcSize+4*d:]))
		}
		for _, start := range needed {
			if start == 0 {
				continue
			}
			for j := start; j < tableEnd(pctab, start); j++ {
				keep[j] = true
			}
		}
		for _, off := range []int{offFile, offLine, offCU, offStartLine} {
			binary.LittleEndian.PutUint32(f[off:], 0)
		}
	}
	for i, k := range keep {
		if !k {
			pctab[i] = 0
		}
	}
	clear(m.bytes[at+files : at+lines]) // which file of a unit is which, and their names
	return nil
}

// tableEnd gives the end of the pairs of value and address that start there, which
// the first value of zero ends but for that of the first pair.
func tableEnd(pctab []byte, start int) int {
	r := reader{pctab, start}
	for {
		first := r.at == start
		if r.number() == 0 && !first {
			return r.at
		}
		r.number()
	}
}

// A reader reads LEB128, which both formats have.
type reader struct {
	b  []byte
	at int
}

func (r *reader) byte() byte {
	r.at++
	return r.b[r.at-1]
}

func (r *reader) number() int {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		panic("a number that does not end")
	}
	r.at += n
	return int(v)
}

func (r *reader) signed() int {
	start := r.at
	v := r.number()
	if bits := 7 * (r.at - start); r.b[r.at-1]&0x40 != 0 && bits < 64 {
		v -= 1 << bits
	}
	return v
}
