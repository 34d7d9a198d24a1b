// Package node keeps the Sphinx keys of a mix node or gateway, each with the log of
// packets seen under it (H18), for our programs.
//
//	Announcer ──use──▶ Keychain ──▶ record, replay logs, engine   keys that follow the directory's schedule
//	operator  ──────▶  Listed   ──▶ record, replay logs, engine   one key; the one before for a while
//
// A key and its log belong together: a key whose log is gone or damaged is never
// used again. Records are those of an [endpoint.Store]; the logs are files beside it.
package node
