// Package plane runs a Kubernetes control plane as detached processes whose
// whole state is one directory. It uses the standard library only, so that its
// tests do not have to link Kubernetes.
package plane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Plane is one control plane: a directory, and the binary that contains the
// components.
type Plane struct {
	Dir    string // absolute, because the components run in it
	Binary string
	ports  Ports
}

// Open names the control plane in dir. It creates nothing.
func Open(dir string) (*Plane, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &Plane{Dir: abs, Binary: binary}, nil
}

func (p *Plane) path(elem ...string) string {
	return filepath.Join(append([]string{p.Dir}, elem...)...)
}

// The state file holds the ports, and marks a directory as ours: only such a
// directory is ever purged.
func (p *Plane) stateFile() string { return p.path("controlplane.json") }

// KubeconfigFile is the administrator's kubeconfig.
func (p *Plane) KubeconfigFile() string { return p.path("kubeconfig") }

func (p *Plane) pki(name string) string     { return p.path("pki", name) }
func (p *Plane) logFile(name string) string { return p.path("logs", name+".log") }
func (p *Plane) pidFile(name string) string { return p.path("run", name+".pid") }
func (p *Plane) serverURL() string          { return fmt.Sprintf("https://127.0.0.1:%d", p.ports.APIServer) }
func (p *Plane) etcdURL() string            { return fmt.Sprintf("https://127.0.0.1:%d", p.ports.Etcd) }
func (p *Plane) controllerManagerURL() string {
	return fmt.Sprintf("https://127.0.0.1:%d", p.ports.ControllerManager)
}

// load reads the state file of a control plane that was brought up before.
func (p *Plane) load() error {
	text, err := os.ReadFile(p.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no control plane in %s; bring one up first: controlplane up --data %s", p.Dir, p.Dir)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &p.ports); err != nil {
		return fmt.Errorf("%s: %w", p.stateFile(), err)
	}
	return nil
}

// prepare makes the directory ready to start from: folders, ports, certificates,
// configuration. Whatever a former run left and is still good is kept.
func (p *Plane) prepare() error {
	if err := p.load(); err != nil {
		if _, statErr := os.Stat(p.stateFile()); !errors.Is(statErr, fs.ErrNotExist) {
			return err
		}
		if err := p.assignPorts(); err != nil {
			return err
		}
	}
	for _, dir := range []string{"pki", "logs", "run", "etcd"} {
		if err := os.MkdirAll(p.path(dir), 0o700); err != nil {
			return err
		}
	}
	if err := p.ensurePKI(); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return p.writeConfig()
}

// assignPorts picks a port where there is none or somebody else has it, and
// remembers all.
func (p *Plane) assignPorts() error {
	ports, err := pickPorts(p.ports)
	if err != nil {
		return err
	}
	p.ports = ports
	text, err := json.MarshalIndent(ports, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(p.stateFile(), append(text, '\n'))
}

// checkOwn refuses a directory that holds something else, so that neither `up`
// nor `down --purge` touches files that are not ours.
func (p *Plane) checkOwn() error {
	if _, err := os.Stat(p.stateFile()); err == nil {
		return nil
	}
	entries, err := os.ReadDir(p.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		// What an `up` leaves that was killed before it wrote the state file.
		if name := entry.Name(); name != lockName && name != filepath.Base(p.stateFile())+temporarySuffix {
			return fmt.Errorf("%s is not empty and not the data directory of a control plane", p.Dir)
		}
	}
	return nil
}

const temporarySuffix = ".tmp"

// writeFile replaces a file in one step: a crash leaves the old one or the new
// one, never half of it. Everything in the directory is private.
func writeFile(path string, content []byte) error {
	temporary := path + temporarySuffix
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
