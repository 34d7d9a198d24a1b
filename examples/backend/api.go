package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"time"

	"go.etcd.io/bbolt"
)

// maxBallots is how many votes are taken. Voters are unknown, so one of them may
// vote more than once: a poll that matters gives out ballots first.
const maxBallots = 100_000

// options are what one can vote for.
var options = []string{"tea", "coffee", "water"}

// A ballot is what a voter puts at /v1/ballots/ID. The voter draws the ID, and may
// put the same ballot again when no answer came: it counts once.
type ballot struct {
	Option string `json:"option"`
}

// A result is what the API says at /v1/result.
type result struct {
	Votes map[string]int `json:"votes"`
}

var bucket = []byte("ballots 1")

// An api answers over HTTP. Its file has a vote on disk before it is answered.
type api struct{ db *bbolt.DB }

func openAPI(path string) (*api, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("backend: open %s: %w; does the API run already?", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("backend: %s: %w", path, err), db.Close())
	}
	return &api{db}, nil
}

// serve answers on ln until ctx ends. Its times and sizes are bounded: who asks
// is unknown, and may be anybody who knows the requester.
func (a *api) serve(ctx context.Context, ln net.Listener) error {
	s := &http.Server{
		Handler: http.MaxBytesHandler(a.handler(), 4096), MaxHeaderBytes: 8192,
		ReadHeaderTimeout: 20 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	// What is under way when ctx ends has five seconds.
	ended := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		ended <- errors.Join(s.Shutdown(ctx), s.Close())
	})()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("backend: serve: %w", err)
	}
	return <-ended
}

var ballotID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/result", func(w http.ResponseWriter, r *http.Request) {
		res, err := a.count()
		answer(w, res, err)
	})
	mux.HandleFunc("PUT /v1/ballots/{id}", func(w http.ResponseWriter, r *http.Request) {
		var b ballot
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&b); err != nil || !ballotID.MatchString(r.PathValue("id")) {
			answer(w, nil, &httpError{http.StatusBadRequest, `put {"option":"…"} at /v1/ballots/ and 32 hex digits`})
			return
		}
		answer(w, b, a.vote(r.PathValue("id"), b))
	})
	return mux
}

// An httpError is one that a voter is told.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

// answer writes what was asked for, or why not.
func answer(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		told := &httpError{http.StatusInternalServerError, "the API has a problem; try again later"}
		errors.As(err, &told)
		status, v = told.status, map[string]string{"error": told.text}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// vote keeps a ballot. The same one again changes nothing.
func (a *api) vote(id string, v ballot) error {
	known := false
	for _, o := range options {
		known = known || v.Option == o
	}
	if !known {
		return &httpError{http.StatusUnprocessableEntity, fmt.Sprintf("option is one of %v", options)}
	}
	return a.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		switch old := b.Get([]byte(id)); {
		case string(old) == v.Option:
			return nil
		case old != nil:
			return &httpError{http.StatusConflict, "this ballot has voted for something else"}
		case b.Sequence() >= maxBallots:
			return &httpError{http.StatusInsufficientStorage, "no more votes are taken"}
		}
		if _, err := b.NextSequence(); err != nil { // counts the ballots
			return err
		}
		return b.Put([]byte(id), []byte(v.Option))
	})
}

func (a *api) count() (result, error) {
	r := result{make(map[string]int)}
	for _, o := range options {
		r.Votes[o] = 0
	}
	err := a.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, option []byte) error {
			r.Votes[string(option)]++
			return nil
		})
	})
	return r, err
}
