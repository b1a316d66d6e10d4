package plane

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// sleeper is a control plane whose only component sleeps.
func sleeper(t *testing.T) (*Plane, component) {
	t.Helper()
	binary, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	p := newPKI(t)
	p.Binary = binary
	t.Cleanup(func() { p.terminate("sleeper") })
	return p, component{name: "sleeper", args: []string{"60"}}
}

func TestProcessRunsUntilTerminated(t *testing.T) {
	p, c := sleeper(t)
	if _, ok := p.running(c.name); ok {
		t.Fatal("runs before it was started")
	}
	if _, err := p.spawn(c); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.running(c.name); !ok {
		t.Fatal("does not run")
	}
	for range 2 { // the second finds nothing to do
		if err := p.terminate(c.name); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := p.running(c.name); ok {
		t.Fatal("still runs")
	}
}

func TestPidFileOfAKilledProcessIsStale(t *testing.T) {
	p, c := sleeper(t)
	started, err := p.spawn(c)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := p.running(c.name)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-started.exited
	if _, ok := p.running(c.name); ok {
		t.Fatal("a dead process counts as running")
	}
}

func TestLockExcludes(t *testing.T) {
	p := newPKI(t)
	held, err := p.lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the second lock: %v", err)
	}
	held.Close()
	again, err := p.lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
