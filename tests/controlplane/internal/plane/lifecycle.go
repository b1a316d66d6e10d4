package plane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// errPortTaken says that a component found its port in use by somebody else.
var errPortTaken = errors.New("a port is in use by another program")

// progress tells a person what is going on. Standard output is for the answer.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "controlplane: "+format+"\n", args...)
}

// Up starts what does not run, and returns when everything is ready.
func (p *Plane) Up(ctx context.Context) error {
	if err := p.checkOwn(); err != nil {
		return err
	}
	lock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()

	if err := p.prepare(); err != nil {
		return err
	}
	err = p.startAll(ctx)
	if !errors.Is(err, errPortTaken) {
		return err
	}
	// Between picking a port and binding it, or since the last run, somebody
	// else took it. New ports help, once everything is moved to them.
	progress("%v", err)
	progress("trying once more with another port")
	if err := p.stopAll(); err != nil {
		return err
	}
	before := p.ports
	if err := p.assignPorts(); err != nil {
		return err
	}
	if before.APIServer != p.ports.APIServer {
		progress("the API server moves to port %d; kubeconfigs made before no longer work", p.ports.APIServer)
	}
	if err := p.writeConfig(); err != nil {
		return err
	}
	return p.startAll(ctx)
}

// startAll starts the components one after the other. If one fails, those that
// this call started are stopped again, so that no half of a control plane stays.
func (p *Plane) startAll(ctx context.Context) error {
	var started []component
	for _, c := range p.components() {
		isNew, err := p.startAndWait(ctx, c)
		if isNew {
			started = append(started, c)
		}
		if err == nil {
			continue
		}
		for _, c := range stopOrder(started) {
			err = errors.Join(err, p.terminate(c.name))
		}
		return err
	}
	return nil
}

// startAndWait starts a component if it does not run, and waits until it is
// ready. It tells whether it started it.
func (p *Plane) startAndWait(ctx context.Context, c component) (bool, error) {
	health, err := p.newClient(c.ca, c.client)
	if err != nil {
		return false, err
	}
	var started *process
	if pid, ok := p.running(c.name); !ok {
		if started, err = p.spawn(c); err != nil {
			return false, fmt.Errorf("start %s: %w", c.name, err)
		}
		progress("starting %s on port %d", c.name, c.port)
	} else if c.ready(health) != nil {
		progress("%s runs (pid %d) but is not ready yet", c.name, pid)
	}
	return started != nil, p.waitReady(ctx, c, health, started)
}

func (p *Plane) waitReady(ctx context.Context, c component, health *client, started *process) error {
	var (
		exited   <-chan struct{} // stays nil, and never ready, for a process of a former command
		logStart int64
	)
	if started != nil {
		exited, logStart = started.exited, started.logStart
	}
	begin, report := time.Now(), time.Now()
	for {
		problem := c.ready(health)
		if problem == nil {
			if started != nil {
				progress("%s is ready after %.1f s", c.name, time.Since(begin).Seconds())
			}
			return nil
		}
		if time.Since(report) > 15*time.Second {
			report = time.Now()
			progress("waiting for %s, %.0f s: %v", c.name, time.Since(begin).Seconds(), problem)
		}
		select {
		case <-exited:
			return p.failure(c, started.state, logStart)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return fmt.Errorf("%w while waiting for %s", context.Cause(ctx), c.name)
			}
			return p.failure(c, fmt.Sprintf("not ready: %v (%v)", context.Cause(ctx), problem), logStart)
		case <-time.After(50 * time.Millisecond):
		}
		if _, ok := p.running(c.name); started == nil && !ok {
			return p.failure(c, "it ended", logStart)
		}
	}
}

// failure describes a component that did not become ready, with the end of its log.
func (p *Plane) failure(c component, what string, logStart int64) error {
	lines := p.lastLogLines(c.name, logStart)
	err := fmt.Errorf("%s failed: %s; the last lines of %s:\n%s", c.name, what, p.logFile(c.name), lines)
	if strings.Contains(lines, "address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

// Down stops everything, and removes the directory if purge is set.
func (p *Plane) Down(ctx context.Context, purge bool) error {
	if _, err := os.Stat(p.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := p.checkOwn(); err != nil {
		return err
	}
	lock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := p.stopAll(); err != nil {
		return err
	}
	if !purge {
		return nil
	}
	return os.RemoveAll(p.Dir)
}

func (p *Plane) stopAll() error {
	var err error
	for _, c := range stopOrder(p.components()) {
		err = errors.Join(err, p.terminate(c.name))
	}
	return err
}

// StartComponent starts one component again, on the port it had, and waits until
// it is ready, and with it those that need it and run: the API server takes a
// moment to find etcd again.
func (p *Plane) StartComponent(ctx context.Context, name string) error {
	return p.withComponent(ctx, name, func(c component) error {
		isNew, err := p.startAndWait(ctx, c)
		if err != nil && isNew {
			return errors.Join(err, p.terminate(name))
		}
		for _, dependent := range p.components()[slices.Index(ComponentNames, name)+1:] {
			if _, ok := p.running(dependent.name); !ok || err != nil {
				return err
			}
			_, err = p.startAndWait(ctx, dependent)
		}
		return err
	})
}

// StopComponent stops one component and leaves the others running.
func (p *Plane) StopComponent(ctx context.Context, name string) error {
	return p.withComponent(ctx, name, func(component) error { return p.terminate(name) })
}

func (p *Plane) withComponent(ctx context.Context, name string, do func(component) error) error {
	if _, err := p.component(name); err != nil {
		return err
	}
	if err := p.load(); err != nil {
		return err
	}
	lock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	// Again, under the lock: an `up` may just have moved to other ports.
	if err := p.load(); err != nil {
		return err
	}
	c, err := p.component(name)
	if err != nil {
		return err
	}
	return do(c)
}

// Status writes a line for each component, and tells whether all are ready.
func (p *Plane) Status(out io.Writer) (bool, error) {
	if err := p.load(); err != nil {
		return false, err
	}
	all := true
	for _, c := range p.components() {
		state := "stopped"
		if pid, ok := p.running(c.name); ok {
			state = fmt.Sprintf("ready\tpid %d\tport %d", pid, c.port)
			health, err := p.newClient(c.ca, c.client)
			if err == nil {
				err = c.ready(health)
			}
			if err != nil {
				all = false
				state = fmt.Sprintf("not ready\tpid %d\tport %d\t%s", pid, c.port, firstLine(err))
			}
		} else {
			all = false
		}
		fmt.Fprintf(out, "%-18s\t%s\n", c.name, state)
	}
	return all, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
