package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	"k8s.io/controller-manager/pkg/informerfactory"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
)

// discoveryPeriod is how soon the garbage collector sees a CRD that came or
// went. kube-controller-manager looks every 30 seconds and has no flag for it;
// a test that installs a CRD and deletes an owner would wait that long.
const discoveryPeriod = 2 * time.Second

const garbageWorkers = 5

// runControllerManager is kube-controller-manager with the same garbage
// collector as upstream, but one that looks for new kinds more often. Its first
// argument is the collector's kubeconfig, the rest are flags of
// kube-controller-manager.
func runControllerManager() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: controlplane controller-manager KUBECONFIG FLAGS...")
		os.Exit(2)
	}
	kubeconfig := os.Args[1]
	os.Args = append([]string{"kube-controller-manager"}, os.Args[2:]...)
	// Before anything runs beside it: the command registers features that all clients read.
	command := controllermanager.NewControllerManagerCommand()
	if err := startGarbageCollector(context.Background(), kubeconfig); err != nil {
		fmt.Fprintln(os.Stderr, "garbage collector:", err)
		os.Exit(1)
	}
	os.Exit(cli.Run(command))
}

func startGarbageCollector(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	// Two discovery clients: the collector resets the mapper's when the other
	// one has seen a change.
	fresh, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))

	const noResync = 0
	shared := informers.NewSharedInformerFactory(client, noResync)
	byMetadata := metadatainformer.NewSharedInformerFactory(metadataClient, noResync)
	started := make(chan struct{})
	collector, err := garbagecollector.NewGarbageCollector(ctx, client, metadataClient, mapper,
		garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(shared, byMetadata), started)
	if err != nil {
		return err
	}
	close(started) // the informers start as the collector asks for them
	go collector.Run(ctx, garbageWorkers, discoveryPeriod)
	go collector.Sync(ctx, fresh, discoveryPeriod)
	return nil
}
