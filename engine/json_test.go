package engine_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tiffin/engine"
	"tiffin/engine/call"
)

// fill gives every field below v a value that is not its zero value, each number
// and text another one.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(int64(*n), int64(*n)).UTC()
		return
	case *netip.Addr:
		*p = netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)})
		return
	case *netip.Prefix:
		*p = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)}), 24)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 8)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(uint64(*n % 256))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, elem, n)
		v.SetMapIndex(key, elem)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	default:
		t.Fatalf("a %s cannot be filled: is it data?", v.Type())
	}
}

func roundTrip[T any](t *testing.T, v T) T {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return back
}

// asSent compares addresses as values, which cmp cannot know of, and leaves out what is not sent.
func asSent() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreFields(engine.BuildSecret{}, "Content"),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

func roundTripOfFull[T any](t *testing.T) {
	t.Helper()
	var v T
	fill(t, reflect.ValueOf(&v).Elem(), new(int))
	if diff := cmp.Diff(v, roundTrip(t, v), asSent()); diff != "" {
		t.Errorf("%T, all of it: %s", v, diff)
	}
	var zero T
	if diff := cmp.Diff(zero, roundTrip(t, zero), asSent()); diff != "" {
		t.Errorf("%T, nothing of it: %s", zero, diff)
	}
}

func TestNothingIsLostAsJSON(t *testing.T) {
	t.Parallel()
	roundTripOfFull[engine.Stack](t)
	roundTripOfFull[engine.Container](t)
	roundTripOfFull[engine.Network](t)
	roundTripOfFull[engine.Volume](t)
	roundTripOfFull[engine.Image](t)
	roundTripOfFull[call.UpRequest](t)
	roundTripOfFull[call.DownRequest](t)
	roundTripOfFull[call.ActRequest](t)
	roundTripOfFull[call.RunRequest](t)
	roundTripOfFull[call.PullRequest](t)
	roundTripOfFull[call.ListRequest](t)
	roundTripOfFull[call.LogRequest](t)
	roundTripOfFull[call.AttachRequest](t)
	roundTripOfFull[call.Exec](t)
	roundTripOfFull[call.LogSource](t)
	roundTripOfFull[call.LogExit](t)
	roundTripOfFull[engine.Event](t)
	roundTripOfFull[engine.Progress](t)
	roundTripOfFull[call.ProjectSummary](t)
	roundTripOfFull[call.Info](t)
	roundTripOfFull[call.Top](t)
	roundTripOfFull[call.RemoveOptions](t)
}

func TestTheContentOfABuildsSecretStaysWithTheCaller(t *testing.T) {
	t.Parallel()
	stack := engine.Stack{Services: []engine.Service{{Name: "web", Build: &engine.Build{Secrets: []engine.BuildSecret{{ID: "token", Content: new("hunter2")}}}}}}
	text, err := json.Marshal(stack)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "token") || strings.Contains(string(text), "hunter2") {
		t.Errorf("%s", text)
	}
}

func TestClearedAndUnsetCommandsStayApart(t *testing.T) {
	t.Parallel()
	tests := map[string]engine.ContainerSpec{
		"from the image":                {},
		"cleared":                       {Entrypoint: []string{}, Cmd: []string{}},
		"a cleared entrypoint":          {Entrypoint: []string{}, Cmd: []string{"true"}},
		"an entrypoint, no command":     {Entrypoint: []string{"/init"}, Cmd: []string{}},
		"an entrypoint, the image's":    {Entrypoint: []string{"/init"}},
		"a command of one empty word":   {Cmd: []string{""}},
		"a time to stop of zero is one": {StopTimeout: new(engine.Duration)},
	}
	for name, spec := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(spec, roundTrip(t, spec)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDurationIsText(t *testing.T) {
	t.Parallel()
	h := engine.Healthcheck{Interval: engine.Duration(90 * time.Second)}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), `{"Interval":"1m30s"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, bad := range []string{`90`, `"90"`, `"soon"`, `""`, `{}`} {
		d := engine.Duration(time.Second)
		if err := json.Unmarshal([]byte(bad), &d); err == nil || d != engine.Duration(time.Second) {
			t.Errorf("%s: %v, %v", bad, d, err)
		}
	}
}
