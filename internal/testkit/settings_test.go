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

// TestEnvExampleListsEverySetting: whoever adds a setting writes a line about it, and whoever removes one removes the line.
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
	listed := matches(regexp.MustCompile(`(?m)^#?(TURNOUT_[A-Z0-9_]+)=`), string(example))

	tag := regexp.MustCompile(`env:"(TURNOUT_[A-Z0-9_]+)`)
	name := regexp.MustCompile(`(TURNOUT_[A-Z0-9_]+)`)
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
		for setting := range matches(tag, string(source)) {
			read[setting] = path
		}
		for setting := range matches(name, string(source)) {
			named[setting] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range slices.Sorted(maps.Keys(read)) {
		if !listed[setting] {
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

func matches(re *regexp.Regexp, text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}
