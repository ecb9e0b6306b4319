package scripts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// schema is what the published schemas of components use of JSON Schema. It is
// held closer than they say: a key that no schema names is a fault, since the
// components take misspelt ones in silence.
type schema struct {
	Ref                  string             `json:"$ref"`
	Definitions          map[string]*schema `json:"definitions"`
	Type                 string             `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	Required             []string           `json:"required"`
	Items                json.RawMessage    `json:"items"`
	AnyOf                []*schema          `json:"anyOf"`
	Enum                 []any              `json:"enum"`
	Const                any                `json:"const"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	MultipleOf           float64            `json:"multipleOf"`
	If                   *schema            `json:"if"`
	Then                 *schema            `json:"then"`
	Else                 *schema            `json:"else"`
}

// triggerConfigs are the definitions of triggerConfig by the type of trigger. The
// schema itself takes any of them for each, and one of them is empty.
var triggerConfigs = map[string]string{"http": "IHttpTriggerConfig", "timer": "ITimerTriggerConfig", "oss": "IOssTriggerConfig"}

// judge returns what is wrong with the props of a component.
func judge(root *schema, props []byte) []string {
	var value map[string]any
	if err := json.Unmarshal(props, &value); err != nil {
		return []string{err.Error()}
	}
	j := &judgement{root: root}
	j.value("", root, value)
	triggers, _ := value["triggers"].([]any)
	for i, item := range triggers {
		trigger, _ := item.(map[string]any)
		kind, _ := trigger["triggerType"].(string)
		at := fmt.Sprintf("triggers[%d].triggerConfig", i)
		if name := triggerConfigs[kind]; name != "" {
			j.value(at, root.Definitions[name], trigger["triggerConfig"])
		} else {
			j.fault(at, "of %q is not known here", kind)
		}
	}
	return j.faults
}

type judgement struct {
	root   *schema
	faults []string
}

func (j *judgement) fault(at, format string, args ...any) {
	j.faults = append(j.faults, strings.TrimPrefix(at, ".")+" "+fmt.Sprintf(format, args...))
}

// fits reports whether a value has no faults by s.
func (j *judgement) fits(s *schema, value any) bool {
	apart := &judgement{root: j.root}
	apart.value("", s, value)
	return len(apart.faults) == 0
}

func (j *judgement) value(at string, s *schema, value any) {
	if s.Ref != "" {
		s = j.root.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")]
	}
	if s.AnyOf != nil && !slices.ContainsFunc(s.AnyOf, func(s *schema) bool { return j.fits(s, value) }) {
		// What a trigger's configuration must be depends on its type: see judge.
		if !strings.HasSuffix(at, ".triggerConfig") {
			j.fault(at, "is none of those that it may be")
		}
	}
	if s.Enum != nil && !slices.Contains(s.Enum, value) || s.Const != nil && s.Const != value {
		j.fault(at, "is %v", value)
	}
	switch value := value.(type) {
	case map[string]any:
		j.object(at, s, value)
	case []any:
		j.kind(at, s, "array")
		var items schema
		if json.Unmarshal(s.Items, &items) == nil {
			for i, item := range value {
				j.value(fmt.Sprintf("%s[%d]", at, i), &items, item)
			}
		}
	case float64:
		j.number(at, s, value)
	case string:
		j.kind(at, s, "string")
	case bool:
		j.kind(at, s, "boolean")
	default:
		j.fault(at, "is %v", value)
	}
}

func (j *judgement) kind(at string, s *schema, kinds ...string) {
	if s.Type != "" && !slices.Contains(kinds, s.Type) {
		j.fault(at, "is of type %s, want %s", kinds[0], s.Type)
	}
}

func (j *judgement) number(at string, s *schema, n float64) {
	j.kind(at, s, "number", "integer")
	if s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum ||
		s.MultipleOf != 0 && math.Mod(n, s.MultipleOf) != 0 || s.Type == "integer" && n != math.Trunc(n) {
		j.fault(at, "is %v", n)
	}
}

func (j *judgement) object(at string, s *schema, value map[string]any) {
	j.kind(at, s, "object")
	for _, name := range s.Required {
		if _, ok := value[name]; !ok {
			j.fault(at, "lacks %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		at := at + "." + name
		if property := s.Properties[name]; property != nil {
			j.value(at, property, value[name])
			continue
		}
		var rest schema
		switch {
		case json.Unmarshal(s.AdditionalProperties, &rest) == nil:
			j.value(at, &rest, value[name])
		case s.AnyOf == nil:
			j.fault(at, "is not known")
		}
	}
	if s.If != nil {
		j.condition(at, s, value)
	}
}

// condition looks for what is required by then or else alone: they have nothing
// else here.
func (j *judgement) condition(at string, s *schema, value map[string]any) {
	branch := s.Else
	kind := s.If.Properties["runtime"]
	if kind.Enum != nil && slices.Contains(kind.Enum, value["runtime"]) || kind.Enum == nil && strings.HasPrefix(fmt.Sprint(value["runtime"]), "custom") {
		branch = s.Then
	}
	if branch.If != nil {
		j.condition(at, branch, value)
		return
	}
	for _, name := range branch.Required {
		if _, ok := value[name]; !ok {
			j.fault(at, "lacks %s", name)
		}
	}
}
