package keeper

import (
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoEndIsLost starts processes and loses engines at random; each process that has
// begun is to be found with the status that it ended with, once.
func TestNoEndIsLost(t *testing.T) {
	e := startKeeper(t)
	const n = 300
	random := rand.New(rand.NewPCG(3, 4))
	want := map[ID]uint32{}
	for range n {
		code := random.IntN(256)
		j := e.shell("usleep " + itoa(random.IntN(3000)) + "; echo $$; exit " + itoa(code))
		want[j.ID] = uint32(code) << 8
		e.run(j)
		switch random.IntN(8) {
		case 0:
			e.states() // what an engine has asked for and is not read yet ends with it
			e.reconnect()
		case 1:
			time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
		case 2:
			e.states()
		}
	}
	e.states()
	e.reconnect()
	ended := map[ID]bool{}
	deadline := time.Now().Add(patience)
	for len(ended) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d have ended", len(ended), n)
		}
		for id, status := range e.states() {
			if status.Phase != Ended {
				continue
			}
			if ended[id] || status.Status != want[id] {
				t.Errorf("%s ended with %#x, want %#x; dropped before: %v", id, status.Status, want[id], ended[id])
			}
			if record, err := e.record(id); err != nil || record.Status != want[id] || record.Lost != 0 {
				t.Errorf("the record of %s is %+v, %v", id, record, err)
			}
			ended[id] = true
			e.drop(id)
		}
	}
	e.states()
	if left := children(t, e.keeper); left != 0 {
		t.Errorf("%d children are left", left)
	}
	if got := descriptors(t, e.keeper); got > 20 {
		t.Errorf("%d descriptors are left", got)
	}
}

// states asks for all processes, and passes over other news.
func (e *engine) states() map[ID]State {
	e.tb.Helper()
	e.send(Marshal(Hello{}))
	list := map[ID]State{}
	for {
		b, files := e.receive()
		for _, fd := range files {
			_ = unix.Close(fd)
		}
		if state, err := Unmarshal[State](b); err == nil {
			list[state.ID] = state
		}
		if kind, _ := KindOf(b); kind == KindStateEnd {
			return list
		}
	}
}
