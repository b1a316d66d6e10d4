package plane

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a component may take to stop before it is killed.
const stopGrace = 10 * time.Second

// process is a component that this command started.
type process struct {
	exited   chan struct{} // closed when it ended
	state    string        // how it ended
	logStart int64         // where its lines begin in the log
}

// spawn starts a component detached from this command: in a session of its own,
// so that neither Ctrl-C nor the end of the caller's terminal reaches it, with
// its output in a log file, so that a caller who reads our output to its end
// does not wait for it.
//
// The process holds a lock on its pid file as long as it lives. The lock, not
// the number, tells whether it runs: the kernel drops it whatever way the
// process dies, and a number may by then belong to somebody else.
func (p *Plane) spawn(c component) (*process, error) {
	pidFile, err := os.OpenFile(p.pidFile(c.name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer pidFile.Close()
	if err := flock(pidFile, syscall.LOCK_EX); err != nil {
		return nil, err
	}
	// The number of a process that died must not stand for the new one.
	if err := pidFile.Truncate(0); err != nil {
		return nil, err
	}

	log, err := os.OpenFile(p.logFile(c.name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	logStart, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}

	keepDescriptorsPrivate()
	cmd := exec.Command(p.Binary, c.args...)
	cmd.Dir = p.Dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{pidFile}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	running := &process{exited: make(chan struct{}), logStart: logStart}
	go func() {
		err := cmd.Wait()
		running.state = "it ended"
		if err != nil {
			running.state = err.Error()
		}
		close(running.exited)
	}()
	_, err = pidFile.WriteAt([]byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0)
	return running, err
}

// environment is the little of ours that a component needs. The rest could
// change what it does: etcd reads every ETCD_ variable as a flag.
func environment() []string {
	var kept []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOMAXPROCS", "GOGC", "GOMEMLIMIT"} {
		if value, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+value)
		}
	}
	return kept
}

// keepDescriptorsPrivate keeps what our caller has open (a lock, a pipe) from
// staying open in the components for as long as they live.
func keepDescriptorsPrivate() {
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd)
	}
}

// running returns the pid of a component, and whether it runs.
func (p *Plane) running(name string) (int, bool) {
	file, err := os.Open(p.pidFile(name))
	if err != nil {
		return 0, false
	}
	defer file.Close()
	if flock(file, syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return 0, false // nobody holds it
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid, err == nil && pid > 1
}

// terminate stops a component and waits until it is gone.
func (p *Plane) terminate(name string) error {
	pid, ok := p.running(name)
	if !ok {
		return p.removePidFile(name)
	}
	progress("stopping %s (pid %d)", name, pid)
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, stopGrace}, {syscall.SIGKILL, stopGrace}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop %s (pid %d): %w", name, pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if _, ok := p.running(name); !ok {
				return p.removePidFile(name)
			}
		}
	}
	return fmt.Errorf("%s (pid %d) does not stop", name, pid)
}

func (p *Plane) removePidFile(name string) error {
	err := os.Remove(p.pidFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lastLogLines returns the end of what a component logged from an offset on.
func (p *Plane) lastLogLines(name string, from int64) string {
	const lines, bytes = 15, 64 << 10
	file, err := os.Open(p.logFile(name))
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		from = max(from, info.Size()-bytes)
	}
	text, err := io.ReadAll(io.NewSectionReader(file, from, bytes))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
