package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// IndexSpec is what an index must be like.
type IndexSpec struct {
	// Mappings is the value of "mappings". Keep to types that every build has; see the engine's notes.
	Mappings json.RawMessage
	// Analysis is the value of "settings.analysis"; empty for none.
	Analysis json.RawMessage
	// Refresh is the time until a search sees a write; 0 means 1 s, negative means never by itself. It is always set:
	// without it an index that nobody searches for 30 s stops refreshing, and the next search is slow.
	Refresh time.Duration
	// Version of what is written into the documents, where the same mapping holds them differently; 0 is the first. A
	// new index keeps it; an older index that is there is told of in the log, because only a rebuild brings it up.
	Version int
	// Shards defaults to 1, Replicas to 0.
	Shards, Replicas int
}

// refresh is Refresh in Elasticsearch's words.
func (s IndexSpec) refresh() string {
	switch {
	case s.Refresh < 0:
		return "-1"
	case s.Refresh > 0:
		return strconv.FormatInt(s.Refresh.Milliseconds(), 10) + "ms"
	default:
		return "1s"
	}
}

func (s IndexSpec) body(alias string) ([]byte, error) {
	settings := map[string]any{
		"number_of_shards": max(s.Shards, 1), "number_of_replicas": s.Replicas, "refresh_interval": s.refresh(),
	}
	if len(s.Analysis) > 0 {
		settings["analysis"] = s.Analysis
	}
	body := map[string]any{"settings": settings}
	if len(s.Mappings) > 0 {
		mappings := map[string]json.RawMessage{}
		if err := json.Unmarshal(s.Mappings, &mappings); err != nil {
			return nil, err
		}
		meta, err := json.Marshal(indexMeta{Version: s.Version})
		if err != nil {
			return nil, err
		}
		mappings["_meta"] = meta
		body["mappings"] = mappings
	}
	if alias != "" {
		body["aliases"] = map[string]any{alias: map[string]any{"is_write_index": true}}
	}
	return json.Marshal(body)
}

type indexMeta struct {
	Version int `json:"version"`
}

// EnsureIndex makes <alias>-000001 behind the alias if the alias is not there, else adds what the mapping has more and
// sets how often it is refreshed. A mapping that contradicts the present one is an error: build a new index and swap. It
// may run in several processes at once.
func (c *Client) EnsureIndex(ctx context.Context, alias string, spec IndexSpec) error {
	alias = c.Alias(alias)
	behind, err := c.Behind(ctx, alias)
	if err != nil {
		return err
	}
	if len(behind) == 0 {
		err := c.create(ctx, alias+"-000001", alias, spec)
		if !hasType(err, "resource_already_exists_exception") {
			return err
		}
	}
	if len(spec.Mappings) == 0 {
		return nil
	}
	if err := c.do(ctx, "put mapping", esapi.IndicesPutMappingRequest{Index: []string{alias}, Body: bytes.NewReader(spec.Mappings)}, nil); err != nil {
		return fmt.Errorf("mapping of %s does not fit the index that is there; rebuild it: %w", alias, err)
	}
	// Those that are kept to go back to, too: what is erased is written to them as well.
	all, err := c.Physical(ctx, alias)
	if err != nil {
		return err
	}
	for _, name := range all {
		if slices.Contains(behind, name) {
			continue
		}
		if err := c.do(ctx, "put mapping", esapi.IndicesPutMappingRequest{Index: []string{name}, Body: bytes.NewReader(spec.Mappings)}, nil); err != nil {
			c.log.WarnContext(ctx, "an index that is kept has another mapping", "index", name, "error", err)
		}
	}
	if len(behind) > 0 {
		body := `{"index":{"refresh_interval":"` + spec.refresh() + `"}}`
		r := esapi.IndicesPutSettingsRequest{Index: []string{alias}, Body: strings.NewReader(body)}
		if err := c.do(ctx, "put settings", r, nil); err != nil {
			return err
		}
	}
	has, err := c.IndexVersion(ctx, alias)
	if err == nil && has < spec.Version {
		c.log.WarnContext(ctx, "index was written by an older release, and searches in it may miss words: run `turnout rebuild`",
			"index", alias, "version", has, "want", spec.Version)
	}
	return err
}

// IndexVersion is the IndexSpec.Version by which the index behind an alias was made, the oldest if there are several.
func (c *Client) IndexVersion(ctx context.Context, alias string) (int, error) {
	var answer map[string]struct {
		Mappings struct {
			Meta indexMeta `json:"_meta"`
		} `json:"mappings"`
	}
	if err := c.do(ctx, "get mapping", esapi.IndicesGetMappingRequest{Index: []string{c.Alias(alias)}, FilterPath: []string{"error", "*.mappings._meta"}}, &answer); err != nil {
		return 0, err
	}
	oldest := -1
	for _, index := range answer {
		if v := index.Mappings.Meta.Version; oldest < 0 || v < oldest {
			oldest = v
		}
	}
	return max(oldest, 0), nil
}

// Behind gives the physical indices behind an alias, sorted; none if there is no such alias.
func (c *Client) Behind(ctx context.Context, alias string) ([]string, error) {
	var answer map[string]json.RawMessage
	err := c.do(ctx, "get alias", esapi.IndicesGetAliasRequest{Name: []string{c.Alias(alias)}}, &answer)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(answer))
	for name := range answer {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

// Physical gives the physical indices of an alias, sorted: those behind it and those beside it.
func (c *Client) Physical(ctx context.Context, alias string) ([]string, error) {
	alias = c.Alias(alias)
	var there map[string]json.RawMessage
	err := c.do(ctx, "list indices", esapi.IndicesGetRequest{Index: []string{alias + "-*"}, FilterPath: []string{"*.settings.index.uuid"}}, &there)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var names []string
	for name := range there {
		if len(name) == len(alias)+7 && physical.MatchString(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

// NewIndex makes the next physical index of an alias, beside those that are there and not behind the alias yet, and
// returns its name.
func (c *Client) NewIndex(ctx context.Context, alias string, spec IndexSpec) (string, error) {
	alias = c.Alias(alias)
	for tries := 0; ; tries++ {
		last, err := c.lastIndex(ctx, alias)
		if err != nil {
			return "", err
		}
		name := fmt.Sprintf("%s-%06d", alias, last+1)
		err = c.create(ctx, name, "", spec)
		if tries == 10 || !hasType(err, "resource_already_exists_exception") { // somebody else's: see EnsureIndex
			return name, err
		}
	}
}

// lastIndex is the greatest number of an index that was made for the alias, 0 if there is none.
func (c *Client) lastIndex(ctx context.Context, alias string) (last int, err error) {
	var there map[string]json.RawMessage
	err = c.do(ctx, "list indices", esapi.IndicesGetRequest{Index: []string{alias + "-*"}, FilterPath: []string{"error", "*.settings.index.uuid"}}, &there)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	for name := range there {
		if len(name) == len(alias)+7 && physical.MatchString(name) {
			if n, err := strconv.Atoi(name[len(name)-6:]); err == nil {
				last = max(last, n)
			}
		}
	}
	return last, nil
}

func (c *Client) create(ctx context.Context, name, alias string, spec IndexSpec) error {
	body, err := spec.body(alias)
	if err != nil {
		return fmt.Errorf("encode index %s: %w", name, err)
	}
	return c.do(ctx, "create index "+name, esapi.IndicesCreateRequest{Index: name, Body: bytes.NewReader(body)}, nil)
}

// SwapAlias puts the alias on the physical index to and off all others, in one step, and returns those others. They
// stay, to go back to.
func (c *Client) SwapAlias(ctx context.Context, alias, to string) ([]string, error) {
	alias = c.Alias(alias)
	behind, err := c.Behind(ctx, alias)
	if err != nil {
		return nil, err
	}
	type target struct {
		Index string `json:"index"`
		Alias string `json:"alias"`
		Write *bool  `json:"is_write_index,omitempty"`
	}
	yes := true
	actions := []map[string]target{{"add": {Index: to, Alias: alias, Write: &yes}}}
	var old []string
	for _, name := range behind {
		if name != to {
			actions = append(actions, map[string]target{"remove": {Index: name, Alias: alias}})
			old = append(old, name)
		}
	}
	body, err := json.Marshal(map[string]any{"actions": actions})
	if err != nil {
		return nil, err
	}
	return old, c.do(ctx, "swap alias "+alias, esapi.IndicesUpdateAliasesRequest{Body: bytes.NewReader(body)}, nil)
}

// DeleteIndex deletes a physical index; a missing one is no error.
func (c *Client) DeleteIndex(ctx context.Context, name string) error {
	if !physical.MatchString(name) {
		return fmt.Errorf("elasticsearch: %q is not a physical index", name)
	}
	err := c.do(ctx, "delete index "+name, esapi.IndicesDeleteRequest{Index: []string{name}}, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
