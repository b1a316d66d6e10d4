// Reads a Containerfile by BuildKit's own parser, and prints the last stage as JSON: its base, and each instruction with
// its arguments. Every warning of BuildKit's linter is an error here.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "containerfile:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return err
	}
	warnings := 0
	for _, warning := range parsed.Warnings {
		warnings++
		fmt.Fprintln(os.Stderr, "containerfile:", warning.Short)
	}
	rules := linter.New(&linter.Config{
		Warn: func(rule, description, url, message string, location []parser.Range) {
			warnings++
			fmt.Fprintf(os.Stderr, "containerfile: %s: %s (%v)\n", rule, message, location)
		},
	})
	stages, arguments, err := instructions.Parse(parsed.AST, rules)
	if err != nil {
		return err
	}
	if warnings > 0 {
		return fmt.Errorf("%d warnings", warnings)
	}
	return json.NewEncoder(os.Stdout).Encode(describe(stages, arguments))
}

type stage struct {
	Name, Base string
	Commands   []command
}

type command struct {
	Name string
	What any
}

func describe(stages []instructions.Stage, arguments []instructions.ArgCommand) any {
	all := struct {
		Arguments []instructions.KeyValuePairOptional
		Stages    []stage
	}{}
	for _, argument := range arguments {
		all.Arguments = append(all.Arguments, argument.Args...)
	}
	for _, one := range stages {
		described := stage{Name: one.Name, Base: one.BaseName}
		for _, each := range one.Commands {
			described.Commands = append(described.Commands, command{each.Name(), each})
		}
		all.Stages = append(all.Stages, described)
	}
	return all
}
