package cli

import (
	"io"
	"strings"
	"testing"
)

func TestFlagsAndComponentInAnyOrder(t *testing.T) {
	for _, args := range [][]string{
		{"etcd", "--data", "d"},
		{"--data=d", "etcd"},
	} {
		o, component, err := commands["stop"].parse(args)
		if err != nil || component != "etcd" || o.data != "d" {
			t.Errorf("%q: %+v %q %v", args, o, component, err)
		}
	}
}

func TestGroupsRepeat(t *testing.T) {
	o, _, err := commands["user"].parse(strings.Fields("--data d --name n --group a --group b"))
	if err != nil || o.groups.String() != "a,b" {
		t.Errorf("%+v %v", o, err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for args, want := range map[string]string{
		"":                  "no command",
		"raise":             `unknown command "raise"`,
		"up":                "--data DIR is missing",
		"up --data d --all": "-all",
		"up --data d etcd":  `unexpected argument "etcd"`,
		"stop --data d":     "which component",
		"down --name n":     "-name",
	} {
		err := Run(strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
}
