package plane

import "testing"

func TestPickPortsAreDistinctAndNotEphemeral(t *testing.T) {
	ports, err := pickPorts()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range []int{ports.Etcd, ports.EtcdPeer, ports.APIServer, ports.ControllerManager} {
		if port < lowestPort || port >= highestPort {
			t.Errorf("port %d is outside %d..%d", port, lowestPort, highestPort)
		}
		if seen[port] {
			t.Errorf("port %d was picked twice", port)
		}
		seen[port] = true
	}
}
