// Package vectest reads test vectors: JSON files in the testdata folder of the
// package under test, with bytes in hexadecimal.
//
//	var v struct{ Packet vectest.Hex }
//	vectest.Read(t, "sphinx.json", &v)
//
// docs/spec/vectors.md says where the files come from and what is in them. Only
// tests import this package. It imports nothing of ours, so every package can.
package vectest
