// Package web answers HTTP for our programs, and shows certificates that may change
// while they run.
//
//	files ──▶ Certificate ──▶ ServerTLS ──┐
//	                                      ├──▶ Serve ──▶ handler
//	a listener that limits who may come ──┘
//
// It logs nothing: what a web server has to say names who asks (H38).
package web
