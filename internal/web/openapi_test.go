// SPDX-License-Identifier: MIT

package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/web"
)

// A schema is the part of JSON Schema that the description uses.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Enum       []string          `json:"enum"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
}

type openAPI struct {
	OpenAPI string                                `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage `json:"paths"`

	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

func description(t *testing.T, s *site) openAPI {
	t.Helper()
	var api openAPI
	if err := json.Unmarshal([]byte(text(t, s.ask(t, "GET", "/api/v1/openapi.json", ""))), &api); err != nil {
		t.Fatal(err)
	}
	return api
}

// check says where a value differs from its description: missing, undescribed and wrongly typed fields.
func (api openAPI) check(where string, s schema, v any) []string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		target, ok := api.Components.Schemas[name]
		if !ok {
			return []string{where + ": no schema " + name}
		}
		return api.check(where, target, v)
	}
	types, _ := s.Type.([]any)
	if one, ok := s.Type.(string); ok {
		types = []any{one}
	}
	if !slices.Contains(types, any(kindOf(v))) {
		return []string{fmt.Sprintf("%s: is %s, described as %v", where, kindOf(v), types)}
	}
	var wrong []string
	switch v := v.(type) {
	case map[string]any:
		if got, want := keys(v), keys(s.Properties); !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: has %v, described are %v", where, got, want))
		}
		for name, value := range v {
			wrong = append(wrong, api.check(where+"."+name, s.Properties[name], value)...)
		}
	case []any:
		for i, value := range v {
			wrong = append(wrong, api.check(fmt.Sprint(where, i), *s.Items, value)...)
		}
	case string:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			wrong = append(wrong, where+": "+v+" is not among "+strings.Join(s.Enum, ", "))
		}
	}
	return wrong
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "?"
}

// Every answer has exactly the fields that are described, and every described schema is checked or used by one that is.
func TestDescriptionOfAnswers(t *testing.T) {
	s := newSite(t)
	api := description(t, s)
	if api.OpenAPI != "3.1.0" {
		t.Errorf("got version %q", api.OpenAPI)
	}
	answers := map[string]struct{ method, path, body string }{
		"Status":        {"GET", "/api/v1/status", ""},
		"Station":       {"GET", "/api/v1/stations/" + stationID.String(), ""},
		"TuneAnswer":    {"POST", "/api/v1/tune", `{"station":"` + stationID.String() + `"}`},
		"MeasureAnswer": {"POST", "/api/v1/measure", ""},
		"Settings":      {"PATCH", "/api/v1/settings", `{"upload_bps":64000}`},
		"StopAnswer":    {"POST", "/api/v1/stop", ""},
		"NetStatus":     {"GET", "/netstatus.json", ""},
		"Health":        {"GET", "/healthz", ""},
		"Error":         {"GET", "/api/v1/stations/x", ""},
	}
	for name, q := range answers {
		body := text(t, s.ask(t, q.method, q.path, q.body, "Content-Type", "application/json"))
		for _, wrong := range api.check(name, schema{Ref: "#/components/schemas/" + name}, decode(t, body)) {
			t.Error(wrong)
		}
	}
	for _, used := range []string{"NAT", "Portmap", "PortmapState", "Upload", "UploadTest", "Hosts", "Tuned", "Chunks", "Bytes", "Parent", "Child",
		"Position", "ClassPlace", "TuneRequest", "Given", "Timeline", "SettingsRequest", "Title", "Titles", "StationsChanged"} {
		answers[used] = answers["Status"]
	}
	if got, want := keys(api.Components.Schemas), keys(answers); !slices.Equal(got, want) {
		t.Errorf("described are %v, checked %v", got, want)
	}
	for name, body := range map[string]reflect.Type{
		"TuneRequest": reflect.TypeFor[web.TuneRequest](), "SettingsRequest": reflect.TypeFor[web.SettingsRequest](),
	} {
		var fields []string
		for f := range body.Fields() {
			fields = append(fields, f.Tag.Get("json"))
		}
		slices.Sort(fields)
		if got := keys(api.Components.Schemas[name].Properties); !slices.Equal(got, fields) {
			t.Errorf("%s: described are %v, read are %v", name, got, fields)
		}
	}
}

// Every event has exactly the fields that are described.
func TestDescriptionOfEvents(t *testing.T) {
	s := newSite(t)
	api := description(t, s)
	r := bufio.NewReader(s.ask(t, "GET", "/api/v1/events", "").body)
	schemas := map[string]schema{
		"status": {Ref: "#/components/schemas/Status"}, "settings": {Ref: "#/components/schemas/Settings"},
		"titles": {Ref: "#/components/schemas/Titles"}, "stations_changed": {Ref: "#/components/schemas/StationsChanged"},
		"stations": {Type: "array", Items: &schema{Ref: "#/components/schemas/Station"}},
	}
	seen := map[string]bool{}
	for len(seen) < len(schemas) {
		name, data := next(t, r)
		var v any
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range api.check(name, schemas[name], v) {
			t.Error(wrong)
		}
		if seen[name] = true; len(seen) == len(schemas)-1 {
			s.backend.set(func(snap *web.Snapshot) {
				snap.Stations = []web.Station{snap.Stations[0], {ID: identity.NewStationKey([32]byte{8}).ID(), LastAlive: -1}}
			})
			s.server.Changed()
		}
	}
}

// Every route of the API is described, and nothing else is.
func TestDescriptionOfRoutes(t *testing.T) {
	s := newSite(t)
	var described, served []string
	for path, methods := range description(t, s).Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	for _, r := range s.server.Routes() {
		switch {
		case r == " /listen/":
			served = append(served, "GET /listen/{id}", "GET /listen/{id}.pls", "GET /listen/{id}.m3u", "GET /listen/{id}.xspf")
		case r != "GET /{$}" && !strings.HasPrefix(r, "GET /assets/"):
			served = append(served, r)
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described are\n%s\nreal are\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}
