package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tiffin/cmd/tiffin/caller"
)

// TestTheReferenceSaysWhatTheCommandsSay compares docs/cli.md with the commands; UPDATE=1 writes it.
func TestTheReferenceSaysWhatTheCommandsSay(t *testing.T) {
	const file = "../../docs/cli.md"
	want := reference()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run make docs: want -, got +\n%s", diff)
	}
}

// reference is the page: the program with its global flags, and then each command.
func reference() string {
	root := newRoot(&cli{Caller: &caller.Caller{}})
	var b strings.Builder
	b.WriteString("# Commands\n\nThis page is made from the commands: change them, then run `make docs`.\n")
	fmt.Fprintf(&b, "\n%s\n", root.Long)
	flags(&b, "Global flags, which stand before the command", root.Flags())
	b.WriteString("\n| command | |\n|---|---|\n")
	var pages strings.Builder
	for _, cmd := range root.Commands() {
		describe(&b, &pages, cmd)
	}
	return b.String() + pages.String()
}

// describe adds a line to the list, and a section to the pages; for a command of commands those of its own.
func describe(list, pages *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return
	}
	title := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
	fmt.Fprintf(list, "| [`%s`](#%s) | %s |\n", title, strings.ReplaceAll(title, " ", "-"), cell(cmd.Short))
	fmt.Fprintf(pages, "\n## %s\n\n```\n%s\n```\n", title, cmd.UseLine())
	if text := strings.TrimSpace(cmd.Long); text != "" {
		fmt.Fprintf(pages, "\n%s\n", text)
	} else {
		fmt.Fprintf(pages, "\n%s.\n", strings.TrimSuffix(cmd.Short, "."))
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(pages, "\nAlso: `%s`.\n", strings.Join(cmd.Aliases, "`, `"))
	}
	flags(pages, "Flags", cmd.LocalFlags())
	for _, below := range cmd.Commands() {
		describe(list, pages, below)
	}
}

// flags is a table of those that are not hidden.
func flags(b *strings.Builder, title string, set *pflag.FlagSet) {
	first := true
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if first {
			fmt.Fprintf(b, "\n%s:\n\n| flag | |\n|---|---|\n", title)
			first = false
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
			usage += fmt.Sprintf(" (%s)", d)
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, cell(usage))
	})
}

// cell keeps a text in its cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
