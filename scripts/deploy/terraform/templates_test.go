package terraform_test

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"testing"

	yaml "github.com/oasdiff/yaml3"
	"github.com/zclconf/go-cty/cty"
)

// template is what the example shares with the templates of Serverless Devs.
type template struct {
	Resources map[string]struct {
		Props struct {
			Name        string  `yaml:"functionName"`
			About       string  `yaml:"description"`
			CPU         float64 `yaml:"cpu"`
			Memory      int     `yaml:"memorySize"`
			Disk        int     `yaml:"diskSize"`
			Timeout     int     `yaml:"timeout"`
			Concurrency struct {
				Reserved int `yaml:"reservedConcurrency"`
			} `yaml:"concurrencyConfig"`
			Async struct {
				Retries int `yaml:"maxAsyncRetryAttempts"`
				Age     int `yaml:"maxAsyncEventAgeInSeconds"`
			} `yaml:"asyncInvokeConfig"`
			TLS struct {
				Min    string   `yaml:"minVersion"`
				Max    string   `yaml:"maxVersion"`
				Suites []string `yaml:"cipherSuites"`
			} `yaml:"tlsConfig"`
			Routes struct {
				Routes []domainRoute `yaml:"routes"`
			} `yaml:"routeConfig"`
		} `yaml:"props"`
	} `yaml:"resources"`
}

type domainRoute struct {
	Path      string   `yaml:"path"`
	Function  string   `yaml:"functionName"`
	Qualifier string   `yaml:"qualifier"`
	Methods   []string `yaml:"methods"`
}

func readTemplate(t *testing.T, path string) template {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read template
	if err := yaml.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func number(t *testing.T, v cty.Value) float64 {
	t.Helper()
	f, _ := v.AsBigFloat().Float64()
	return f
}

// The functions are those of s.yaml, in every size.
func TestFunctionsAreThoseOfTheTemplate(t *testing.T) {
	m := deployed(t)
	read := readTemplate(t, "../../../s.yaml")
	functions := m.context.Variables["local"].GetAttr("functions").AsValueMap()
	if got, want := slices.Sorted(maps.Keys(functions)), slices.Sorted(maps.Keys(read.Resources)); !slices.Equal(got, want) {
		t.Fatalf("there are %q, want %q", got, want)
	}
	for name, r := range read.Resources {
		const kind = "alicloud_fcv3_function"
		for argument, want := range map[string]string{"function_name": r.Props.Name, "description": r.Props.About} {
			if got := textOf(t, m, kind, "all", name, argument); got != want {
				t.Errorf("%s of %s = %q, want %q", argument, name, got, want)
			}
		}
		for argument, want := range map[string]float64{
			"cpu": r.Props.CPU, "memory_size": float64(r.Props.Memory), "disk_size": float64(r.Props.Disk), "timeout": float64(r.Props.Timeout),
		} {
			if got := number(t, attribute(t, m, kind, "all", name, argument)); got != want || want == 0 {
				t.Errorf("%s of %s = %v, want %v", argument, name, got, want)
			}
		}
		cap := number(t, attribute(t, m, "alicloud_fcv3_concurrency_config", "cap", name, "reserved_concurrency"))
		if want := float64(r.Props.Concurrency.Reserved); cap != want || want == 0 {
			t.Errorf("%s has the cap %v, want %v", name, cap, want)
		}
	}
	const kind = "alicloud_fcv3_async_invoke_config"
	retries, age := attribute(t, m, kind, "repair", "", "max_async_retry_attempts"), attribute(t, m, kind, "repair", "", "max_async_event_age_in_seconds")
	if want := read.Resources["repair"].Props.Async; number(t, retries) != float64(want.Retries) || number(t, age) != float64(want.Age) {
		t.Errorf("repair's events are tried %v times for %v s, want %+v", number(t, retries), number(t, age), want)
	}
}

// The domain is that of domain.yaml.
func TestDomainIsThatOfTheTemplate(t *testing.T) {
	m := deployed(t)
	want := readTemplate(t, "../domain.yaml").Resources["domain"].Props
	const kind = "alicloud_fcv3_custom_domain"
	var got []domainRoute
	for _, r := range attribute(t, m, kind, "api", "", "route_config").AsValueSlice()[0].GetAttr("routes").AsValueSlice() {
		got = append(got, domainRoute{r.GetAttr("path").AsString(), r.GetAttr("function_name").AsString(), r.GetAttr("qualifier").AsString(), texts(r.GetAttr("methods"))})
	}
	if !reflect.DeepEqual(got, want.Routes.Routes) || len(got) == 0 {
		t.Errorf("routes = %+v, want %+v", got, want.Routes.Routes)
	}
	tls := attribute(t, m, kind, "api", "", "tls_config").AsValueSlice()[0]
	if suites := texts(tls.GetAttr("cipher_suites")); !slices.Equal(suites, want.TLS.Suites) || len(suites) == 0 {
		t.Errorf("cipher suites = %q, want %q", suites, want.TLS.Suites)
	}
	if low, high := tls.GetAttr("min_version").AsString(), tls.GetAttr("max_version").AsString(); low != want.TLS.Min || high != want.TLS.Max {
		t.Errorf("TLS from %s to %s, want %s to %s", low, high, want.TLS.Min, want.TLS.Max)
	}
}

func texts(list cty.Value) []string {
	var all []string
	for _, v := range list.AsValueSlice() {
		all = append(all, v.AsString())
	}
	return all
}
