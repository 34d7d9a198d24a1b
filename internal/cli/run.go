package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"nym-socks5/config"
)

// run is the command run.
func (p Program[C]) run(c *cli.Context) (err error) {
	at, cfg, there, err := p.ready(c)
	if err != nil {
		return err
	}
	if known, err := exists(at.state); err != nil {
		return err
	} else if !known { // an instance is not made for a program that cannot run
		if err := p.tryPorts(cfg); err != nil {
			return err
		}
	}
	log, level := newLog(c.App.ErrWriter, config.Common(cfg).Log)
	s, ks, err := p.open(at, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	keep := func() {}
	if !there {
		keep = sync.OnceFunc(func() { p.keepSettings(at, cfg, log) })
	}

	hup, reload := make(chan os.Signal, 1), make(chan struct{}, 1) // full: one reload is enough
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	env := &Env[C]{
		Config: cfg, Keys: ks, State: s, Log: log, Out: c.App.Writer, Reload: reload,
		super: supervisorOf(os.Getenv), keep: keep,
	}
	end, err := env.serveOps()
	if err != nil {
		return err
	}
	defer end()
	return p.supervise(c.Context, env, hup, func() {
		p.rereadSettings(c, at, cfg, log, level)
		offer(reload)
	})
}

// keepSettings writes the file of an instance that was started without one. It is
// called when the program is up: settings with which it never was are not kept.
func (p Program[C]) keepSettings(at place, cfg C, log zerolog.Logger) {
	switch err := p.writeSettings(at, cfg); {
	case err == nil:
		log.Info().Str("file", at.config).Msg("settings kept")
	case errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS):
		log.Info().Msg("settings come from flags and variables, no file was written")
	default:
		log.Error().Err(err).Str("file", at.config).Msg("the settings cannot be kept; give the flags again at the next start")
	}
}

// open opens the state folder; where it is new, keys are made.
func (p Program[C]) open(at place, cfg C, log zerolog.Logger) (*State, Keys, error) {
	s, fresh, err := OpenState(at.state, p.Upgrade)
	if err != nil {
		return nil, Keys{}, err
	}
	ks, err := func() (Keys, error) {
		if fresh {
			if err := s.makeKeys(p.Keys); err != nil {
				return Keys{}, err
			}
			log.Info().Msg("new instance, keys were drawn")
		}
		ks, err := s.loadKeys(p.Keys)
		if err == nil && p.CheckState != nil {
			err = p.CheckState(cfg, s, ks)
		}
		if err == nil && fresh {
			err = s.complete()
		}
		return ks, err
	}()
	if err != nil {
		return nil, Keys{}, errors.Join(err, s.Close())
	}
	return s, ks, nil
}

// supervise runs the program, and ends it when ctx ends: in order if that takes
// no longer than StopWithin.
func (p Program[C]) supervise(ctx context.Context, env *Env[C], hup <-chan os.Signal, again func()) error {
	about := BuildInfo()
	env.Log.Info().Str("version", about.Version).Str("revision", about.Revision).Msg("starting")
	aides, dismiss := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer dismiss()
	wg.Go(func() { env.super.watch(aides) })
	wg.Go(func() { passOn(aides, hup, again, env.Log) })

	ended := make(chan error, 1) // room: nobody may be listening any more
	go func() { ended <- p.Run(ctx, env) }()
	select {
	case err := <-ended:
		return finish(ctx, err)
	case <-ctx.Done():
	}
	env.super.tell("STOPPING=1")
	env.Log.Info().Msg("stopping")
	late := time.NewTimer(p.StopWithin)
	defer late.Stop()
	select {
	case err := <-ended:
		if err = finish(ctx, err); err == nil {
			env.Log.Info().Msg("stopped")
		}
		return err
	case <-late.C:
		return fmt.Errorf("the program did not end within %v", p.StopWithin)
	}
}

// finish makes an error of a program that ended by itself, and none of one that
// ended because it was asked to.
func finish(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil && err == nil:
		return errors.New("the program ended by itself")
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

// passOn calls again for each signal.
func passOn(ctx context.Context, hup <-chan os.Signal, again func(), log zerolog.Logger) {
	for {
		select {
		case <-hup:
			log.Info().Msg("reading files again")
			again()
		case <-ctx.Done():
			return
		}
	}
}
