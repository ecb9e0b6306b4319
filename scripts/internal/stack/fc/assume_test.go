package fc_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/fc"
)

func assume(t *testing.T, settings ...string) facts.Assumptions {
	t.Helper()
	a, err := facts.Assume(settings...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Each value of what is unknown about events, as it shows in one.
func TestEventsAssumed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		setting string
		trigger fc.Trigger
		want    string // in the event
	}{
		{"fc.query-values=decoded", fc.TriggerHTTP, `"queryParameters":{"a b":"x/y%41,2"}`},
		{"fc.query-values=encoded", fc.TriggerHTTP, `"queryParameters":{"a+b":"x%2Fy%2541,2"}`},
		{"fc.query-values=decoded", fc.TriggerAPIGateway, `"queryParameters":{"a b":"x/y%41,2"}`},
		{"fc.query-values=encoded", fc.TriggerAPIGateway, `"queryParameters":{"a+b":"x%2Fy%2541,2"}`},
		{"fc.header-names=lower", fc.TriggerHTTP, `"accept":"text/html,*/*"`},
		{"fc.header-names=canonical", fc.TriggerHTTP, `"Accept":"text/html,*/*"`},
		{"fc.header-names=canonical", fc.TriggerHTTP, `"Host":"upload.example.com:8580"`},
		{"gateway.header-names=canonical", fc.TriggerAPIGateway, `"Accept":"text/html,*/*"`},
		{"gateway.header-names=lower", fc.TriggerAPIGateway, `"accept":"text/html,*/*","caclientip"`},
		{"fc.text-bodies=text", fc.TriggerHTTP, `"body":"{}","isBase64Encoded":false`},
		{"fc.text-bodies=base64", fc.TriggerHTTP, `"body":"e30=","isBase64Encoded":true`},
		{"gateway.base64-flag=boolean", fc.TriggerAPIGateway, `"isBase64Encoded":true`},
		{"gateway.base64-flag=text", fc.TriggerAPIGateway, `"isBase64Encoded":"true"`},
		{"gateway.path=decoded", fc.TriggerAPIGateway, `"path":"/s3/a/b c"`},
		{"gateway.path=encoded", fc.TriggerAPIGateway, `"path":"/s3/a%2Fb%20c"`},
		{"gateway.repeated-values=joined", fc.TriggerAPIGateway, `"Accept":"text/html,*/*"`},
		{"gateway.repeated-values=last", fc.TriggerAPIGateway, `"Accept":"*/*"`},
		{"gateway.repeated-values=last", fc.TriggerAPIGateway, `"queryParameters":{"a b":"2"}`},
		{"gateway.repeated-values=last", fc.TriggerHTTP, `"queryParameters":{"a b":"x/y%41,2"}`},
	} {
		t.Run(tt.setting+" behind "+string(tt.trigger), func(t *testing.T) {
			t.Parallel()
			r := request("POST", "/s3/a%2Fb%20c?a+b=x%2Fy%2541&a+b=2", "application/json")
			r.Header["Accept"] = []string{"text/html", "*/*"}
			at := arrival
			at.Assume = assume(t, tt.setting)
			event, err := tt.trigger.EventFromRequest(r, []byte("{}"), at)
			if err != nil || !strings.Contains(string(event), tt.want) {
				t.Errorf("event = %s, %v, want %s in it", event, err, tt.want)
			}
		})
	}
}

// Each value of what is unknown about answers, as a client sees it.
func TestAnswersAssumed(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	const origin = "https://app.example"
	own := []string{"https://own.example"}
	corsAnswer := `{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"https://own.example"},"isBase64Encoded":false,"body":""}`
	large := `{"statusCode":200,"headers":{},"isBase64Encoded":false,"body":"` + strings.Repeat("x", 6<<20+1) + `"}`
	for _, tt := range []struct {
		setting, method, mode, body string
		status                      int
		header                      string
		want                        []string
	}{
		{"fc.cors-headers=the function's", "POST", "raw", corsAnswer, 200, "Access-Control-Allow-Origin", own},
		{"fc.cors-headers=replaced", "POST", "raw", corsAnswer, 200, "Access-Control-Allow-Origin", []string{origin}},
		{"fc.cors-headers=doubled", "POST", "raw", corsAnswer, 200, "Access-Control-Allow-Origin", append(own, origin)},
		{"gateway.preflight=function", "OPTIONS", "answer", "", 201, "Access-Control-Allow-Origin", nil},
		{"gateway.preflight=gateway", "OPTIONS", "answer", "", 200, "Access-Control-Allow-Origin", []string{origin}},
		{"gateway.preflight=gateway", "POST", "answer", "", 201, "Access-Control-Allow-Origin", nil},
		{"fc.answer-limit=32 MB", "POST", "raw", large, 200, "X-Fc-Error-Type", nil},
		{"fc.answer-limit=6 MB", "POST", "raw", large, 502, "X-Fc-Error-Type", []string{"UnhandledInvocationError"}},
		{"fc.failure-status=5xx", "POST", "panic", "", 502, "X-Fc-Error-Type", []string{"UnhandledInvocationError"}},
		{"fc.failure-status=200", "POST", "panic", "", 200, "X-Fc-Error-Type", []string{"UnhandledInvocationError"}},
		{"fc.failure-status=200", "POST", "error", "", 200, "X-Fc-Error-Type", []string{"HandledInvocationError"}},
	} {
		t.Run(tt.setting+", "+tt.method+" "+tt.mode, func(t *testing.T) {
			t.Parallel()
			gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "", Function: f}}, assume(t, tt.setting), nil)
			r := httptest.NewRequest(tt.method, "/?mode="+tt.mode, strings.NewReader(tt.body))
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", "POST")
			w := httptest.NewRecorder()
			gateway.ServeHTTP(w, r)
			if got := w.Header()[tt.header]; w.Code != tt.status || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("answer = %d, %s %q, want %d, %q", w.Code, tt.header, got, tt.status, tt.want)
			}
			if tt.status == http.StatusOK && tt.mode == "panic" && !strings.Contains(w.Body.String(), "errorMessage") {
				t.Errorf("body = %s, want the error of the function", w.Body)
			}
		})
	}
}

// A trigger that does not list OPTIONS answers preflights, and nothing else.
func TestPreflightOfATriggerWithoutOptions(t *testing.T) {
	t.Parallel()
	gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Function: start(t, nil), NoOptions: true}}, facts.Assumptions{}, nil)
	for asked, want := range map[string]int{"POST": http.StatusOK, "": http.StatusCreated} {
		r := httptest.NewRequest("OPTIONS", "/?mode=answer", nil)
		r.Header.Set("Access-Control-Request-Method", asked)
		w := httptest.NewRecorder()
		gateway.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("OPTIONS that asks for %q = %d, want %d", asked, w.Code, want)
		}
	}
}

// A function that OSS calls directly keeps its Authorization.
func TestAuthorizationAssumed(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for setting, want := range map[string][2]bool{
		"gateway.authorization=passed":  {true, true},
		"gateway.authorization=dropped": {false, true},
	} {
		gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "/s3", Function: f}, {Prefix: "/callback", Function: f, Direct: true}}, assume(t, setting), nil)
		for i, path := range []string{"/s3", "/callback"} {
			r := httptest.NewRequest("POST", path, nil)
			r.Header.Set("Authorization", "Bearer the-token")
			w := httptest.NewRecorder()
			gateway.ServeHTTP(w, r)
			if got := strings.Contains(w.Body.String(), "the-token"); w.Code != 200 || got != want[i] {
				t.Errorf("%s: POST %s = %d, the token in it %v, want %v", setting, path, w.Code, got, want[i])
			}
		}
	}
}
