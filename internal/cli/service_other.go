//go:build !unix

package cli

// asService does nothing: elsewhere there are no packages that make services.
func (p Program[C]) asService() error { return nil }
