package scripts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	j.choice(at, s, value)
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

// choice looks at what a value must be one of. What a trigger's configuration must
// be depends on its type: see judge.
func (j *judgement) choice(at string, s *schema, value any) {
	fits := func(s *schema) bool { return j.fits(s, value) }
	if s.AnyOf != nil && !strings.HasSuffix(at, ".triggerConfig") && !slices.ContainsFunc(s.AnyOf, fits) {
		j.fault(at, "is none of those that it may be")
	}
	if s.Enum != nil && !slices.Contains(s.Enum, value) || s.Const != nil && s.Const != value {
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

// A template that is wrong does not conform.
func TestSchemaIsHeld(t *testing.T) {
	const right = `{"region":"cn-shanghai","functionName":"f","runtime":"go1","handler":"main","code":"./dist","cpu":0.1,"memorySize":128,"diskSize":512,
		"timeout":4,"concurrencyConfig":{"reservedConcurrency":1},"asyncInvokeConfig":{"maxAsyncRetryAttempts":3},"logConfig":"auto",
		"environmentVariables":{"A":"b"},"triggers":[
		{"triggerName":"h","triggerType":"http","triggerConfig":{"authType":"anonymous","methods":["GET"],"disableURLInternet":true}},
		{"triggerName":"t","triggerType":"timer","triggerConfig":{"cronExpression":"@every 1m","enable":true,"payload":"{}"}},
		{"triggerName":"o","triggerType":"oss","sourceArn":"a","invocationRole":"r","triggerConfig":{"events":["oss:ObjectCreated:PutObject"],"filter":{"key":{"prefix":"p","suffix":""}}}}]}`
	const route = `{"region":"cn-shanghai","domainName":"d","protocol":"HTTPS","certConfig":{"certId":"1"},"routeConfig":{"routes":[{"path":"/a","functionName":"f","methods":["GET"],"qualifier":"live"}]}}`
	for _, tt := range []struct{ component, props, from, to, want string }{
		{"fc3", right, "", "", ""},
		{"fc3", right, `"memorySize"`, `"memorysize"`, "memorysize is not known"},
		{"fc3", right, `"handler":"main",`, ``, "lacks handler"},
		{"fc3", right, `"timeout":4`, `"timeout":"4"`, "timeout is of type string, want integer"},
		{"fc3", right, `"timeout":4`, `"timeout":4.5`, "timeout is 4.5"},
		{"fc3", right, `"memorySize":128`, `"memorySize":100`, "memorySize is 100"},
		{"fc3", right, `"cpu":0.1`, `"cpu":0.01`, "cpu is 0.01"},
		{"fc3", right, `"go1"`, `"go2"`, "runtime is go2"},
		{"fc3", right, `"cn-shanghai"`, `"shanghai"`, "region is shanghai"},
		{"fc3", right, `{"A":"b"}`, `{"A":1}`, "environmentVariables.A is of type number, want string"},
		{"fc3", right, `"auto"`, `"on"`, "logConfig is none of those"},
		{"fc3", right, `"reservedConcurrency"`, `"reserved"`, "concurrencyConfig lacks reservedConcurrency"},
		{"fc3", right, `"maxAsyncRetryAttempts":3`, `"maxAsyncRetryAttempts":9`, "maxAsyncRetryAttempts is 9"},
		{"fc3", right, `"methods":["GET"]`, `"methods":["GETS"]`, "triggers[0].triggerConfig.methods[0] is GETS"},
		{"fc3", right, `"disableURLInternet":true`, `"disableUrlInternet":true`, "triggers[0].triggerConfig.disableUrlInternet is not known"},
		{"fc3", right, `"disableURLInternet":true`, `"enable":true`, "triggers[0].triggerConfig.enable is not known"},
		{"fc3", right, `"disableURLInternet":true`, `"disableURLInternet":"true"`, "disableURLInternet is of type string, want boolean"},
		{"fc3", right, `"payload":"{}"`, `"methods":["GET"]`, "triggers[1].triggerConfig.methods is not known"},
		{"fc3", right, `"enable":true`, `"enabled":true`, "triggers[1].triggerConfig lacks enable"},
		{"fc3", right, `"prefix":"p",`, ``, "triggers[2].triggerConfig.filter.key lacks prefix"},
		{"fc3", right, `"oss:ObjectCreated:PutObject"`, `"oss:ObjectCreated:Put"`, "triggers[2].triggerConfig.events[0] is oss:ObjectCreated:Put"},
		{"fc3", right, `"triggerType":"oss"`, `"triggerType":"log"`, "triggers[2].triggerConfig of \"log\" is not known here"},
		{"fc3", right, `"sourceArn"`, `"sourceARN"`, "triggers[2].sourceARN is not known"},
		{"fc3-domain", route, "", "", ""},
		{"fc3-domain", route, `"certId"`, `"certID"`, "certConfig is none of those"},
		{"fc3-domain", route, `"qualifier"`, `"alias"`, "routes[0].alias is not known"},
		{"fc3-domain", route, `"path":"/a",`, ``, "routes[0] lacks path"},
	} {
		var published schema
		if err := json.Unmarshal([]byte(read(t, filepath.Join("testdata", tt.component, "schema.json"))), &published); err != nil {
			t.Fatal(err)
		}
		faults := strings.Join(judge(&published, []byte(strings.Replace(tt.props, tt.from, tt.to, 1))), "; ")
		if tt.want == "" && faults != "" || !strings.Contains(faults, tt.want) {
			t.Errorf("%s with %s for %s: %q, want %q", tt.component, tt.to, tt.from, faults, tt.want)
		}
	}
}
