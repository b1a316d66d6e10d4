// Package cli reads the commands that start, stop and open a control plane.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"roster/tests/controlplane/internal/plane"
)

const usage = `A Kubernetes control plane in one binary, for demos and tests. No pods run in it.

Its life:
  controlplane up --data DIR                   start what does not run; print the path of the kubeconfig
  controlplane down --data DIR [--purge]       stop everything; --purge removes DIR as well
  controlplane status --data DIR               a line for each component; exit 1 if one is not ready
  controlplane stop COMPONENT --data DIR       stop one component: etcd, apiserver, controller-manager
  controlplane start COMPONENT --data DIR      start it again on the same port and wait until it is ready

Access:
  controlplane kubeconfig --data DIR           print the administrator's kubeconfig
  controlplane user --data DIR --name NAME [--group GROUP]...
                                               print a kubeconfig for a user, with no rights of its own

The programs inside, with their own arguments:
  controlplane kubectl|etcd|kube-apiserver|kube-controller-manager ARGS...

up and start take --timeout DURATION (default 3m).
`

// options are the flags of all commands; each command takes some of them.
type options struct {
	data    string
	name    string
	groups  list
	purge   bool
	timeout time.Duration
}

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// command is one way to call the binary.
type command struct {
	flags      string // beside --data
	positional bool   // takes a component
	run        func(ctx context.Context, p *plane.Plane, o options, component string, out io.Writer) error
}

var commands = map[string]command{
	"up": {flags: "timeout", run: func(ctx context.Context, p *plane.Plane, _ options, _ string, out io.Writer) error {
		if err := p.Up(ctx); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, p.KubeconfigFile())
		return err
	}},
	"down": {flags: "purge", run: func(ctx context.Context, p *plane.Plane, o options, _ string, _ io.Writer) error {
		return p.Down(ctx, o.purge)
	}},
	"start": {flags: "timeout", positional: true, run: func(ctx context.Context, p *plane.Plane, _ options, component string, _ io.Writer) error {
		return p.StartComponent(ctx, component)
	}},
	"stop": {positional: true, run: func(ctx context.Context, p *plane.Plane, _ options, component string, _ io.Writer) error {
		return p.StopComponent(ctx, component)
	}},
	"status": {run: func(_ context.Context, p *plane.Plane, _ options, _ string, out io.Writer) error {
		ready, err := p.Status(out)
		if err == nil && !ready {
			err = errors.New("not everything is running and ready")
		}
		return err
	}},
	"user": {flags: "name group", run: func(_ context.Context, p *plane.Plane, o options, _ string, out io.Writer) error {
		if o.name == "" {
			return errors.New("user needs --name NAME")
		}
		text, err := p.UserKubeconfig(o.name, o.groups)
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}},
	"kubeconfig": {run: func(_ context.Context, p *plane.Plane, _ options, _ string, out io.Writer) error {
		text, err := p.Kubeconfig()
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}},
}

// Run carries out one command; its answer goes to out.
func Run(args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no command given")
	}
	if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		_, err := fmt.Fprint(out, usage)
		return err
	}
	name := args[0]
	cmd, ok := commands[name]
	if !ok {
		return fmt.Errorf("unknown command %q; controlplane --help lists them", name)
	}
	o, positional, err := cmd.parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Fprint(out, usage)
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w; see controlplane --help", name, err)
	}
	p, err := plane.Open(o.data)
	if err != nil {
		return err
	}
	// A component that is still coming up when we are interrupted is stopped
	// again, like one that fails.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("gave up after %s", o.timeout))
	defer cancel()
	return cmd.run(ctx, p, o, positional, out)
}

// parse reads flags and the component in any order.
func (c command) parse(args []string) (o options, component string, err error) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints the error
	flags.StringVar(&o.data, "data", "", "")
	o.timeout = 3 * time.Minute
	for _, name := range strings.Fields(c.flags) {
		switch name {
		case "name":
			flags.StringVar(&o.name, name, "", "")
		case "group":
			flags.Var(&o.groups, name, "")
		case "purge":
			flags.BoolVar(&o.purge, name, false, "")
		case "timeout":
			flags.DurationVar(&o.timeout, name, o.timeout, "")
		}
	}
	var positional []string
	for {
		if err := flags.Parse(args); err != nil {
			return o, "", err
		}
		if flags.NArg() == 0 {
			break
		}
		positional = append(positional, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if c.positional {
		if len(positional) == 0 {
			return o, "", errors.New("which component? etcd, apiserver or controller-manager")
		}
		component, positional = positional[0], positional[1:]
	}
	if len(positional) > 0 {
		return o, "", fmt.Errorf("unexpected argument %q", positional[0])
	}
	if o.data == "" {
		return o, "", errors.New("--data DIR is missing")
	}
	return o, component, nil
}
