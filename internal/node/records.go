package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"nym-socks5/endpoint"
)

// Names of records.
const (
	sequenceRecord = "announcement"    // sequence number of the last announcement
	ringRecord     = "sphinx-ring"     // Sphinx keys of a node that registers, one PEM block each
	inUseRecord    = "sphinx-in-use"   // the Sphinx key whose replay log was begun
	previousRecord = "sphinx-previous" // the one before, while it is still used
	noiseRecord    = "noise-previous"  // likewise of the links
	recordVersion  = 1                 // of each
)

// Sequence gives the sequence number of the last announcement; zero: there was none.
func Sequence(records endpoint.Store) (uint64, error) {
	text, err := endpoint.Text(context.Background(), records, sequenceRecord, recordVersion)
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: it is no number", endpoint.ErrDamaged, sequenceRecord)
	}
	return n, nil
}

// SaveSequence keeps it.
func SaveSequence(records endpoint.Store, n uint64) error {
	return save(records, sequenceRecord, strconv.AppendUint(nil, n, 10))
}

// Check reports records that a node could not use.
func Check(records endpoint.Store) error {
	_, sequence := Sequence(records)
	_, ring := loadRing(records)
	_, previous := loadPrevious(records)
	_, noise := PreviousNoise(records)
	return errors.Join(sequence, ring, previous, noise)
}

func save(records endpoint.Store, name string, body []byte) error {
	return records.Save(context.Background(), name, endpoint.Record{Version: recordVersion, Body: body})
}
