package plane

import (
	"fmt"
	"slices"
	"strings"
)

// component is one process of the control plane.
type component struct {
	name string   // as the user says it
	args []string // what the binary is started with; the first selects the program
	// ready asks the running component whether it does its work.
	ready func(*client) error
	// client names the certificate that `ready` comes with, and ca who signed
	// the component's.
	ca, client string
	port       int
}

// ComponentNames are the components in the order in which they start. They stop
// in the reverse order.
var ComponentNames = []string{"etcd", "apiserver", "controller-manager"}

func (p *Plane) component(name string) (component, error) {
	switch name {
	case "etcd":
		return p.etcd(), nil
	case "apiserver":
		return p.apiserver(), nil
	case "controller-manager":
		return p.controllerManager(), nil
	}
	return component{}, fmt.Errorf("no component %q; there are: %s", name, strings.Join(ComponentNames, ", "))
}

func (p *Plane) components() []component {
	return []component{p.etcd(), p.apiserver(), p.controllerManager()}
}

func (p *Plane) etcd() component {
	peer := fmt.Sprintf("https://127.0.0.1:%d", p.ports.EtcdPeer)
	return component{
		name: "etcd", port: p.ports.Etcd, ca: "etcd-ca", client: "etcd-client",
		ready: func(c *client) error { return c.ok(p.etcdURL() + "/readyz") },
		args: []string{
			"etcd",
			"--name=controlplane",
			"--data-dir=" + p.path("etcd"),
			"--listen-client-urls=" + p.etcdURL(),
			"--advertise-client-urls=" + p.etcdURL(),
			"--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=controlplane=" + peer,
			"--client-cert-auth",
			"--trusted-ca-file=" + p.pki("etcd-ca.crt"),
			"--cert-file=" + p.pki("etcd.crt"),
			"--key-file=" + p.pki("etcd.key"),
			"--peer-client-cert-auth",
			"--peer-trusted-ca-file=" + p.pki("etcd-ca.crt"),
			"--peer-cert-file=" + p.pki("etcd.crt"),
			"--peer-key-file=" + p.pki("etcd.key"),
			// The data is thrown away: a crash of the machine may lose it, a
			// crash of etcd does not.
			"--unsafe-no-fsync",
			"--quota-backend-bytes=8589934592",
			// The only member need not wait long for others before it leads.
			"--heartbeat-interval=50",
			"--election-timeout=500",
			// At "warn" every probe of the API server that only connects is a line.
			"--log-level=error",
		},
	}
}

func (p *Plane) apiserver() component {
	return component{
		name: "apiserver", port: p.ports.APIServer, ca: "ca", client: "admin",
		ready: func(c *client) error { return c.ok(p.serverURL() + "/readyz") },
		args: []string{
			"kube-apiserver",
			"--bind-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", p.ports.APIServer),
			// A machine without a network has no other address to advertise, and
			// the endpoints of the kubernetes service may not be loopback ones:
			// nothing here reads them.
			"--advertise-address=127.0.0.1",
			"--endpoint-reconciler-type=none",
			"--service-cluster-ip-range=10.0.0.0/24",
			"--tls-cert-file=" + p.pki("apiserver.crt"),
			"--tls-private-key-file=" + p.pki("apiserver.key"),
			"--client-ca-file=" + p.pki("ca.crt"),
			"--authentication-config=" + p.authenticationFile(),
			"--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-signing-key-file=" + p.pki("service-account.key"),
			"--service-account-key-file=" + p.pki("service-account.key"),
			"--etcd-servers=" + p.etcdURL(),
			"--etcd-cafile=" + p.pki("etcd-ca.crt"),
			"--etcd-certfile=" + p.pki("etcd-client.crt"),
			"--etcd-keyfile=" + p.pki("etcd-client.key"),
			// Load tests measure the controller, not this throttle.
			"--max-requests-inflight=3000",
			"--max-mutating-requests-inflight=1500",
			// Without it a stop waits a minute for clients to end their watches.
			"--shutdown-watch-termination-grace-period=1s",
			"--profiling=false",
		},
	}
}

func (p *Plane) controllerManager() component {
	return component{
		name: "controller-manager", port: p.ports.ControllerManager, ca: "ca", client: "admin",
		ready: func(c *client) error {
			if err := c.ok(p.controllerManagerURL() + "/healthz"); err != nil {
				return err
			}
			// It makes this account, so that the account shows that it works.
			return c.ok(p.serverURL() + "/api/v1/namespaces/default/serviceaccounts/default")
		},
		args: []string{
			"controller-manager",
			p.pki("garbage-collector.kubeconfig"),
			"--kubeconfig=" + p.pki("controller-manager.kubeconfig"),
			"--bind-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", p.ports.ControllerManager),
			"--tls-cert-file=" + p.pki("controller-manager-serving.crt"),
			"--tls-private-key-file=" + p.pki("controller-manager-serving.key"),
			"--leader-elect=false",
			// No nodes, so nothing that makes or places pods. The garbage
			// collector runs in the same process, see garbagecollector.go.
			"--controllers=" + strings.Join([]string{
				"namespace-controller",
				"serviceaccount-controller",
				"serviceaccount-token-controller",
				"clusterrole-aggregation-controller",
				"validatingadmissionpolicy-status-controller",
			}, ","),
			// Each controller acts under the name it has in every cluster.
			"--use-service-account-credentials",
			"--service-account-private-key-file=" + p.pki("service-account.key"),
			"--root-ca-file=" + p.pki("ca.crt"),
			"--concurrent-namespace-syncs=5",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--profiling=false",
		},
	}
}

// stopOrder is the reverse of the start order: etcd last, so that nothing is
// left trying to reach what is gone.
func stopOrder(components []component) []component {
	reversed := slices.Clone(components)
	slices.Reverse(reversed)
	return reversed
}
