// Command gen writes the assembly of package vec8, one file a primitive, into
// the working directory.
package main
