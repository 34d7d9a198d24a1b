//go:build !unix

package cli

func becomeNobody() int { return 0 }
