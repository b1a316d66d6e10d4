package plane

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are the loopback ports of one control plane. They stay the same for the
// life of its directory, because kubeconfigs name them.
type Ports struct {
	Etcd              int `json:"etcd"`
	EtcdPeer          int `json:"etcdPeer"`
	APIServer         int `json:"apiserver"`
	ControllerManager int `json:"controllerManager"`
}

// Ports are taken from below the range that systems hand out to outgoing
// connections (from 32768 on Linux). A port from that range could be given away
// while the API server is stopped; a client that keeps trying to reconnect may
// even get it as its own source port and talk to itself.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// pickPorts replaces those ports that are not set or not free.
func pickPorts(ports Ports) (Ports, error) {
	var listeners []net.Listener
	// All are held open until the last is found, so that no two are the same.
	defer func() {
		for _, listener := range listeners {
			listener.Close()
		}
	}()
	for _, port := range []*int{&ports.Etcd, &ports.EtcdPeer, &ports.APIServer, &ports.ControllerManager} {
		listener, err := keepOrFind(*port)
		if err != nil {
			return Ports{}, err
		}
		listeners = append(listeners, listener)
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func keepOrFind(port int) (net.Listener, error) {
	if port != 0 {
		if listener, err := listen(port); err == nil {
			return listener, nil
		}
	}
	return listenSomewhere()
}

func listenSomewhere() (net.Listener, error) {
	var err error
	for range 100 {
		var listener net.Listener
		if listener, err = listen(lowestPort + rand.IntN(highestPort-lowestPort)); err == nil {
			return listener, nil
		}
	}
	return nil, fmt.Errorf("no free port on 127.0.0.1: %w", err)
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
