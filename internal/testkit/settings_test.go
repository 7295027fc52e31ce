package testkit

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// examples stand in .env.example for engines of one's own, as it says there; unset, the local engines are meant.
var examples = []string{"TURNOUT_POSTGRES_URL", "TURNOUT_KAFKA_BROKERS", "TURNOUT_ELASTIC_URL", "TURNOUT_REDIS_URL"}

// TestEnvExampleListsEverySetting: whoever adds a setting writes a line about it, whoever removes one removes the line, and
// whoever changes a default changes it there.
func TestEnvExampleListsEverySetting(t *testing.T) {
	t.Parallel()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{} // setting -> value
	for _, m := range regexp.MustCompile(`(?m)^#?(TURNOUT_[A-Z0-9_]+)=(.*)$`).FindAllStringSubmatch(string(example), -1) {
		listed[m[1]] = strings.TrimSpace(m[2])
	}

	tag := regexp.MustCompile(`env:"(TURNOUT_[A-Z0-9_]+)[^"]*"(?: envDefault:"([^"]*)")?`)
	name := regexp.MustCompile(`TURNOUT_[A-Z0-9_]+`)
	read := map[string]string{}  // setting -> file that reads it
	named := map[string]string{} // any mention in code or scripts
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		ext := filepath.Ext(path)
		if d.IsDir() || (ext != ".go" && ext != ".sh") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range tag.FindAllStringSubmatch(string(source), -1) {
			read[m[1]] = path
			if value, ok := listed[m[1]]; ok && value != m[2] && !slices.Contains(examples, m[1]) {
				t.Errorf("%s is %q by default (%s), .env.example says %q", m[1], m[2], strings.TrimPrefix(path, root+"/"), value)
			}
		}
		for _, setting := range name.FindAllString(string(source), -1) {
			named[setting] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range slices.Sorted(maps.Keys(read)) {
		if _, ok := listed[setting]; !ok {
			t.Errorf("%s (%s) is missing in .env.example", setting, strings.TrimPrefix(read[setting], root+"/"))
		}
	}
	for _, setting := range slices.Sorted(maps.Keys(listed)) {
		// Scripts put some names together: TURNOUT_LOCAL_ and the engine's port, TURNOUT_ and the role's address.
		composed := regexp.MustCompile(`^TURNOUT_(LOCAL|TEST)_|_(ADDR|URL)$`).MatchString(setting)
		if named[setting] == "" && !composed {
			t.Errorf("%s of .env.example is read nowhere", setting)
		}
	}
}
