package keeper

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustID(tb testing.TB, s string) ID {
	tb.Helper()
	id, err := ParseID(s)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func TestAMessageIsReadBack(t *testing.T) {
	want := Run{
		ID: mustID(t, "abc"), CloneFlags: 1 << 40, LogMaxSize: 7, LogMaxFiles: 3,
		Process: Exec, Flags: TTY, Cgroup: 1, Log: 1, Pumps: 2, Hold: 5,
	}
	got, err := Unmarshal[Run](Marshal(want))
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestANewerMessageIsReadAsFarAsItIsKnown(t *testing.T) {
	raw := append(Marshal(Exited{ID: mustID(t, "abc"), Status: 256}), 1, 2, 3)
	if got, err := Unmarshal[Exited](raw); err != nil || got.Status != 256 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWhatIsNotTheMessageIsRefused(t *testing.T) {
	raw := Marshal(Drop{ID: mustID(t, "abc")})
	cases := map[string][]byte{
		"empty":           nil,
		"cut off":         raw[:len(raw)-1],
		"another kind":    Marshal(Close{}),
		"another version": append([]byte{Version + 1}, raw[1:]...),
	}
	for name, b := range cases {
		if _, err := Unmarshal[Drop](b); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessagesHaveNoGaps(t *testing.T) {
	messages := []any{Hello{}, Run{}, Drop{}, Close{}, KeepListener{}, Ready{}, State{}, StateEnd{}, Started{}, Failed{}, Exited{}}
	for _, m := range messages {
		typ := reflect.TypeOf(m)
		var sum uintptr
		for field := range typ.Fields() {
			sum += field.Type.Size()
		}
		if sum != typ.Size() || sum%8 != 0 && sum != 0 || sum+prefixSize > maxMessage {
			t.Errorf("%s: the fields have %d bytes, the whole %d", typ, sum, typ.Size())
		}
	}
}

func TestTheLayoutOnTheWireStaysAsItIs(t *testing.T) {
	got := Marshal(Failed{ID: mustID(t, "ab"), Step: 0x01020304, Errno: 13})
	want := append([]byte{1, byte(KindFailed), 0, 0, 0, 0, 0, 0, 'a', 'b'}, make([]byte, 62)...)
	want = append(want, 4, 3, 2, 1, 13, 0, 0, 0)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnIDIsAPlainName(t *testing.T) {
	for _, good := range []string{"a", strings.Repeat("f", 64), "A-z_09"} {
		if id, err := ParseID(good); err != nil || id.String() != good {
			t.Errorf("%q: %q, %v", good, id, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "a b", "a\x00b", strings.Repeat("f", 65)} {
		if _, err := ParseID(bad); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
