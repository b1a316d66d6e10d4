package plane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const lockName = "lock"

// lock serializes the commands that change a control plane. It creates the
// directory if need be; the caller unlocks by closing the file.
func (p *Plane) lock(ctx context.Context) (*os.File, error) {
	told := false
	for {
		// In the loop, because a `down --purge` that we wait for removes it.
		if err := os.MkdirAll(p.Dir, 0o700); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(p.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && isCurrent(file) {
			return file, nil
		}
		file.Close()
		if err == nil {
			continue // the lock of a directory that was purged meanwhile
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if !told {
			told = true
			progress("waiting for another controlplane command on %s", p.Dir)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// isCurrent tells whether the locked file is still the one under its name.
func isCurrent(file *os.File) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	current, err := os.Stat(file.Name())
	return err == nil && os.SameFile(ours, current)
}

func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
