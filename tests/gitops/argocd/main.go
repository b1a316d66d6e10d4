// Argo CD without its servers: its settings, its Lua and its engine, on a real cluster.
//
//	argocd health            objects on standard input; a line `{"status": …, "message": …}` for each
//	argocd sync APPLICATION  manifests on standard input: what a sync of an Application with prune and sync waves does
//
// KUBECONFIG says which cluster; argocd-cm is read from its namespace argocd, as Argo CD does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What Argo CD writes on the objects of an Application, so that it knows them again.
const tracking = "argocd.argoproj.io/tracking-id"

// What a round changed must have come back by the watch before the next one; Argo CD waits 2 s between waves.
const roundEvery = time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("health or sync")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	// Argo CD's own.
	config.QPS, config.Burst = 50, 100
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	objects, err := kube.SplitYAML(input)
	if err != nil {
		return err
	}
	ctx := context.Background()
	overrides, err := healthOf(ctx, config)
	if err != nil {
		return err
	}
	switch {
	case args[0] == "health":
		return judge(objects, overrides)
	case args[0] == "sync" && len(args) == 2:
		return apply(ctx, config, args[1], objects, overrides)
	default:
		return fmt.Errorf("unknown: %v", args)
	}
}

func healthOf(ctx context.Context, config *rest.Config) (lua.ResourceHealthOverrides, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	manager := settings.NewSettingsManager(ctx, client, "argocd")
	overrides, err := manager.GetResourceOverrides()
	return overrides, err
}

func judge(objects []*unstructured.Unstructured, overrides lua.ResourceHealthOverrides) error {
	for _, object := range objects {
		status, err := health.GetResourceHealth(object, overrides)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(status); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, config *rest.Config, name string, objects []*unstructured.Unstructured,
	overrides lua.ResourceHealthOverrides,
) error {
	for _, object := range objects {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[tracking] = name
		object.SetAnnotations(annotations)
	}
	live := cache.NewClusterCache(config, cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(object *unstructured.Unstructured, _ bool) (any, bool) {
			owner := object.GetAnnotations()[tracking]
			return owner, owner != ""
		}))
	if err := live.EnsureSynced(); err != nil {
		return err
	}
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	ours := func(resource *cache.Resource) bool { return resource.Info == name }
	// As its application controller does: each round compares anew, and goes on where the one before ended.
	var (
		phase   = common.OperationRunning
		message string
		results []common.ResourceSyncResult
		started = metav1.Now()
	)
	for !phase.Completed() {
		managed, err := live.GetManagedLiveObjs(objects, ours)
		if err != nil {
			return err
		}
		compared := sync.Reconcile(objects, managed, "default", live)
		round, cleanup, err := sync.NewSyncContext("revision", compared, config, config, kubectl, "default",
			live.GetOpenAPISchema(), sync.WithInitialState(phase, message, results, started),
			sync.WithHealthOverride(overrides), sync.WithOperationSettings(false, true, false, false),
			sync.WithServerSideApply(true), sync.WithServerSideApplyManager("argocd-controller"),
			sync.WithLogr(logr.Discard()))
		if err != nil {
			return err
		}
		round.Sync()
		phase, message, results = round.GetState()
		cleanup()
		time.Sleep(roundEvery)
	}
	for _, result := range results {
		fmt.Printf("%s %s: %s %s\n", result.ResourceKey.Kind, result.ResourceKey.Name, result.HookPhase, result.Message)
	}
	fmt.Printf("%s: %s\n", phase, message)
	if !phase.Successful() {
		return fmt.Errorf("%s: %s", phase, message)
	}
	return nil
}
