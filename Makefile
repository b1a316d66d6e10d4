SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo check test bench lint doc generate build image audit mutants sim properties clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Tell the story of one portal on a real control plane (PORTAL=field-operations; see demo/demo.sh --help)
	@demo/demo.sh $(PORTAL)

check: ## Check in minutes what needs nothing but Rust: format, lints, core, command line, some simulated clusters
	@scripts/check.sh

test: ## Lint, then test everything on a real control plane; does its own set-up (IMAGE=1 builds and runs the image, too)
	@scripts/test.sh $(if $(IMAGE),--image)

bench: ## Measure against the speed targets (docs/architecture.md) and print the table (SIZE=small for a quick run)
	@scripts/bench.sh $(SIZE)

lint: ## Check format, lints, generated files and scripts
	@scripts/lint.sh

doc: ## Build the documentation of the code, without warnings
	@RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --quiet --locked --workspace --no-deps --all-features --document-private-items

generate: ## Write crds/, the chart's and docs/reference/ from the Rust types, and docs/cli.md from the commands
	@cargo run --quiet --locked -- crds --output crds
	@cargo run --quiet --locked -- crds --output charts/roster/files/crds
	@cargo run --quiet --locked -- crds --markdown --output docs/reference
	@cargo run --quiet --locked -- man --markdown > docs/cli.md

build: ## Build the binary for use: target/release/roster
	@cargo build --release --locked

image: ## Build the container image without an engine, and its bill of materials: target/image/
	@scripts/image.sh

audit: ## Check licences, sources and known vulnerabilities of the dependencies (needs cargo-deny)
	@scripts/audit.sh

mutants: ## Mutate the engine and list the mutants that the reference model does not notice (SHARD=0/5 for a part; needs cargo-mutants)
	@scripts/mutants.sh $(SHARD)

sim: ## Simulate the controller's loop under random seeds for a minute (MINUTES=60 for longer, SEED=7 for the transcript of one)
	@scripts/sim.sh

properties: ## Run the property tests on inputs that nobody has tried, for a minute (MINUTES=60 for longer, SEED=7 for those found before)
	@scripts/properties.sh

clean: ## Remove what was built here, and stop a control plane that tests left running
	@scripts/clean.sh
