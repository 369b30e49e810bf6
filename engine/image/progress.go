package image

import (
	"sync"
	"time"

	"tiffin/engine"
)

// The words of docker's pull, layer by layer.
const (
	textFound       = "Pulling fs layer"
	textHere        = "Already exists"
	textDownloading = "Downloading"
	textDownloaded  = "Download complete"
	textAgain       = "Retrying"
	textVerifying   = "Verifying Checksum"
	textExtracting  = "Extracting"
	textDone        = "Pull complete"
	textPushing     = "Pushing"
	textPushed      = "Pushed"
	textThere       = "Layer already exists"
)

// reportEvery is the shortest time between two reports of a layer's bytes.
const reportEvery = 100 * time.Millisecond

// layerLine is what is told about one layer.
type layerLine struct {
	report engine.Report
	id     string
	parent string
	total  int64

	mu    sync.Mutex
	last  time.Time
	ended bool
}

func newLayerLines(report engine.Report, image string, b *bundle) []*layerLine {
	lines := make([]*layerLine, len(b.parts.Layers))
	for i, d := range b.parts.Layers {
		lines[i] = &layerLine{report: report, id: engine.ShortID(d.Digest.Encoded()), parent: image, total: d.Size}
	}
	return lines
}

// say reports the layer's next word, if the last one was not its last.
func (l *layerLine) say(text string) {
	status := engine.Working
	l.mu.Lock()
	ended := l.ended
	if text == textDone || text == textHere || text == textPushed || text == textThere {
		status, l.ended = engine.Done, true
	}
	l.mu.Unlock()
	if ended {
		return
	}
	l.report(engine.Progress{ID: l.id, ParentID: l.parent, Status: status, Text: text, Total: l.total})
}

// bytes tells how many of the layer's bytes have gone through, now and then.
func (l *layerLine) bytes(text string, n int64) {
	l.mu.Lock()
	due := !l.ended && time.Since(l.last) >= reportEvery
	if due {
		l.last = time.Now()
	}
	l.mu.Unlock()
	if !due {
		return
	}
	p := engine.Progress{ID: l.id, ParentID: l.parent, Status: engine.Working, Text: text, Current: n, Total: l.total}
	if l.total > 0 {
		p.Percent = int(100 * n / l.total)
	}
	l.report(p)
}
