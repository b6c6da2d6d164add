package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/trueup-data/trueup/pipeline/calendar"
)

const top = "../.."

// documents are all texts for people, by their path below the top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "deploy/*.md"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(top, path)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = string(text)
		}
	}
	if len(out) < 8 {
		t.Fatalf("only %d documents were found", len(out))
	}
	return out
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	code    = regexp.MustCompile("(?ms)^```.*?^```|(?m)^    .*$|`[^`\n]+`")
	fenced  = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	command = regexp.MustCompile(`(?m)(?:^|[\s"` + "`" + `/])trueup ([a-z][a-z-]*)([^\n&|#` + "`" + `]*)`)
	option  = regexp.MustCompile(`--([a-z][a-z-]*)`)
)

// slug is a heading as links name it.
func slug(title string) string {
	kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(title), "")
	return strings.ReplaceAll(kept, " ", "-")
}

func TestLinksOfTheDocumentsResolve(t *testing.T) {
	all, checked := documents(t), 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			checked++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s: nothing is at %s", name, m[1])
			}
			titles := heading.FindAllStringSubmatch(all[target], -1)
			if anchor != "" && !slices.ContainsFunc(titles, func(h []string) bool { return slug(h[1]) == anchor }) {
				t.Errorf("%s: %s has no heading %s", name, target, anchor)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were seen", checked)
	}
}

// commandsIn finds what is wrong with the commands of a text.
func commandsIn(text string) (wrong []string, seen int) {
	root := newCLI(nil, io.Discard, io.Discard, nil).root()
	text = strings.ReplaceAll(text, "and trueup ", "and Trueup ") // a sentence
	for _, m := range command.FindAllStringSubmatch(text, -1) {
		seen++
		cmd, _, err := root.Find([]string{m[1]})
		if err != nil || cmd == root {
			wrong = append(wrong, "no verb: "+strings.TrimSpace(m[0]))
			continue
		}
		for _, f := range option.FindAllStringSubmatch(m[2], -1) {
			if cmd.Flags().Lookup(f[1]) == nil && root.PersistentFlags().Lookup(f[1]) == nil && f[1] != "help" {
				wrong = append(wrong, "no flag --"+f[1]+": "+strings.TrimSpace(m[0]))
			}
		}
	}
	return wrong, seen
}

// Every command that a document shows exists, with every flag.
func TestCommandsOfTheDocumentsExist(t *testing.T) {
	total := 0
	for name, text := range documents(t) {
		for _, block := range code.FindAllString(text, -1) {
			wrong, seen := commandsIn(block)
			for _, w := range wrong {
				t.Errorf("%s: %s", name, w)
			}
			total += seen
		}
	}
	if total < 60 {
		t.Errorf("only %d commands were seen", total)
	}
	if wrong, _ := commandsIn("    trueup runn --mode x\n    trueup run --mod x"); len(wrong) != 2 {
		t.Errorf("a wrong command passes: %v", wrong)
	}
}

// unknownKeys lists the keys of a part of a project file that the schema does not
// have anywhere. Below a key that takes names, a key may be anything.
func unknownKeys(v any, free bool, known, named map[string]bool) (out []string) {
	switch v := v.(type) {
	case yaml.MapSlice:
		for _, item := range v {
			key, _ := item.Key.(string)
			if !free && !known[key] && key != "..." {
				out = append(out, key)
			}
			out = append(out, unknownKeys(item.Value, !free && named[key], known, named)...)
		}
	case []any:
		for _, item := range v {
			out = append(out, unknownKeys(item, false, known, named)...)
		}
	}
	return out
}

// Every key of a project file that a document shows is one that there is.
func TestKeysOfTheDocumentsExist(t *testing.T) {
	known, named := map[string]bool{}, map[string]bool{}
	for _, line := range strings.Split(reference(t), "\n") {
		path, _, _ := strings.Cut(strings.TrimPrefix(line, "| `"), "`")
		parts := strings.Split(path, ".")
		for i, p := range parts {
			if p == "NAME" {
				named[parts[i-1]] = true
			} else {
				known[p] = true
			}
		}
	}
	for _, key := range []string{"map", "query", "headers", "form", "fields", "checks"} { // values below names, not keys
		named[key] = true
	}
	blocks := 0
	for name, text := range documents(t) {
		for _, m := range fenced.FindAllStringSubmatch(text, -1) {
			var part yaml.MapSlice
			if err := yaml.UnmarshalWithOptions([]byte(dedent(m[1])), &part, yaml.UseOrderedMap()); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, m[1])
				continue
			}
			for _, key := range unknownKeys(part, false, known, named) {
				t.Errorf("%s: there is no key %q", name, key)
			}
			blocks++
		}
	}
	if blocks < 4 {
		t.Errorf("only %d blocks were seen", blocks)
	}
	wrong := yaml.MapSlice{{Key: "schedules", Value: yaml.MapSlice{{Key: "any_name", Value: yaml.MapSlice{{Key: "chron", Value: "x"}}}}}}
	if got := unknownKeys(wrong, false, known, named); !slices.Equal(got, []string{"chron"}) {
		t.Errorf("%v", got)
	}
}

// dedent takes away what all lines are indented by.
func dedent(text string) string {
	first := len(text) - len(strings.TrimLeft(text, " "))
	return strings.ReplaceAll("\n"+text, "\n"+strings.Repeat(" ", first), "\n")
}

// The files of deploy/ begin commands that exist, at times that come.
func TestDeployFilesAreSound(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join(top, "deploy", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	begun := 0
	var units []string
	for _, pattern := range []string{"*.service", "*.timer"} {
		found, err := filepath.Glob(filepath.Join(top, "deploy", "systemd", pattern))
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, found...)
	}
	for _, path := range units {
		unit := parseUnit(t, read(filepath.Join("systemd", filepath.Base(path))))
		for _, line := range unit["Service.ExecStart"] {
			wrong, seen := commandsIn(strings.ReplaceAll(line, "%i", "sweep"))
			if len(wrong) > 0 || seen != 1 {
				t.Errorf("%s: %q: %v", path, line, wrong)
			}
			begun++
		}
		for _, started := range unit["Timer.Unit"] {
			file := regexp.MustCompile(`@[a-z]+\.`).ReplaceAllString(started, "@.")
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), file)); err != nil {
				t.Errorf("%s starts %s: %v", path, started, err)
			}
		}
	}
	for _, line := range strings.Split(read("cron/trueup"), "\n") {
		if line == "" || line[0] < '0' || line[0] > '9' {
			continue
		}
		fields := strings.Fields(line)
		zone, err := calendar.Zone("UTC")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := calendar.Parse(strings.Join(fields[:5], " "), zone); err != nil || fields[5] != "trueup" {
			t.Errorf("%s: %v", line, err)
		}
		wrong, seen := commandsIn(strings.Join(fields[6:], " "))
		if len(wrong) > 0 || seen == 0 {
			t.Errorf("%s: %v", line, wrong)
		}
		begun += seen
	}
	begun += cronJobs(t, read("kubernetes/trueup.yaml"))
	if begun != 10 {
		t.Errorf("%d commands were seen", begun)
	}
}

// parseUnit gives the values of a unit file by section and key.
func parseUnit(t *testing.T, text string) map[string][]string {
	t.Helper()
	out, section := map[string][]string{}, ""
	for _, line := range strings.Split(text, "\n") {
		name, inSection := strings.CutPrefix(line, "[")
		key, value, isPair := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case inSection && slices.Contains([]string{"Unit]", "Service]", "Timer]", "Install]"}, name):
			section = strings.TrimSuffix(name, "]")
		case isPair && section != "":
			out[section+"."+key] = append(out[section+"."+key], value)
		default:
			t.Errorf("%q is no line of a unit", line)
		}
	}
	return out
}

// cronJobs checks the schedules, the volumes and the arguments of CronJobs, and counts
// the commands. The last document is the volume that they share.
func cronJobs(t *testing.T, text string) (n int) {
	t.Helper()
	type job struct {
		Kind string `yaml:"kind"`
		Spec struct {
			Schedule    string `yaml:"schedule"`
			TimeZone    string `yaml:"timeZone"`
			JobTemplate struct {
				Spec struct {
					Template struct {
						Spec struct {
							Containers []struct {
								Args []string `yaml:"args"`
							} `yaml:"containers"`
							Volumes []struct {
								Claim struct {
									Name string `yaml:"claimName"`
								} `yaml:"persistentVolumeClaim"`
							} `yaml:"volumes"`
						} `yaml:"spec"`
					} `yaml:"template"`
				} `yaml:"spec"`
			} `yaml:"jobTemplate"`
		} `yaml:"spec"`
	}
	docs := strings.Split(text, "\n---\n")
	var claim struct {
		Kind     string `yaml:"kind"`
		Metadata struct {
			Name string `yaml:"name"`
		} `yaml:"metadata"`
	}
	last := len(docs) - 1
	if err := yaml.Unmarshal([]byte(docs[last]), &claim); err != nil || claim.Kind != "PersistentVolumeClaim" {
		t.Errorf("%s: %v", claim.Kind, err)
	}
	for _, doc := range docs[:last] {
		var j job
		if err := yaml.Unmarshal([]byte(doc), &j); err != nil || j.Kind != "CronJob" {
			t.Errorf("%s: %v", j.Kind, err)
		}
		kept := false // what is read once from the bucket
		for _, v := range j.Spec.JobTemplate.Spec.Template.Spec.Volumes {
			kept = kept || v.Claim.Name == claim.Metadata.Name
		}
		if !kept {
			t.Errorf("a job does not keep its cache on %s", claim.Metadata.Name)
		}
		zone, err := calendar.Zone(j.Spec.TimeZone)
		if err != nil {
			t.Error(err)
		}
		if _, err := calendar.Parse(j.Spec.Schedule, zone); err != nil {
			t.Error(err)
		}
		for _, c := range j.Spec.JobTemplate.Spec.Template.Spec.Containers {
			wrong, seen := commandsIn("trueup " + strings.Join(c.Args, " "))
			for _, w := range wrong {
				t.Error(w)
			}
			n += seen
		}
	}
	return n
}
