package plane

import (
	"fmt"
	"net"
	"testing"
)

func TestPickPortsAreDistinctAndNotEphemeral(t *testing.T) {
	ports, err := pickPorts(Ports{})
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

func TestOnlyATakenPortIsReplaced(t *testing.T) {
	before, err := pickPorts(Ports{})
	if err != nil {
		t.Fatal(err)
	}
	somebody, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", before.Etcd))
	if err != nil {
		t.Fatal(err)
	}
	defer somebody.Close()
	after, err := pickPorts(before)
	if err != nil {
		t.Fatal(err)
	}
	if after.Etcd == before.Etcd {
		t.Error("a taken port was kept")
	}
	after.Etcd = before.Etcd
	if after != before {
		t.Errorf("a free port was replaced: %+v, then %+v", before, after)
	}
}
