// Command controlplane is a Kubernetes control plane in one binary: etcd,
// kube-apiserver, kube-controller-manager and kubectl, and the commands that
// start and stop them together.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"roster/tests/controlplane/internal/cli"
)

func main() {
	// A symlink with the name of a component acts as that component.
	if run, ok := components[filepath.Base(os.Args[0])]; ok {
		run()
		return
	}
	if len(os.Args) > 1 {
		if run, ok := components[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	if err := cli.Run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}
