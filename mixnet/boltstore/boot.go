package boltstore

// A bootID tells the boots of a machine apart. What the kernel was given to write
// is there as long as this does not change, whatever happens to the process that
// gave it.
type bootID [16]byte

// A machine is where logs are kept; tests have some of their own.
type machine struct {
	boot  func() bootID         // zero: it cannot be told
	local func(dir string) bool // files in a folder are kept by this kernel, and no other machine or process
}

var thisMachine = &machine{boot: currentBoot, local: keptByKernel}

// bootFor gives the boot, if it says something of files in a folder.
func (m *machine) bootFor(dir string) bootID {
	if !m.local(dir) {
		return bootID{}
	}
	return m.boot()
}
