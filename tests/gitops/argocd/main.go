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

	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/engine"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What Argo CD writes on the objects of an Application, so that it knows them again.
const tracking = "argocd.argoproj.io/tracking-id"

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
	agent := engine.NewEngine(config, live, engine.WithLogr(logr.Discard()))
	stop, err := agent.Run()
	if err != nil {
		return err
	}
	defer stop()
	ours := func(resource *cache.Resource) bool { return resource.Info == name }
	results, err := agent.Sync(ctx, objects, ours, "revision", "default",
		sync.WithLogr(logr.Discard()), sync.WithHealthOverride(overrides), sync.WithPrune(true),
		sync.WithPruneLast(true), sync.WithServerSideApply(true), sync.WithServerSideApplyManager("argocd-controller"))
	for _, result := range results {
		fmt.Printf("%s %s: %s %s\n", result.ResourceKey.Kind, result.ResourceKey.Name, result.HookPhase, result.Message)
	}
	return err
}
