package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"tiffin/engine"
	"tiffin/engine/call"
)

// sendLogs sends log entries. Each source is named once; later entries carry its number.
func sendLogs(ctx context.Context, b Containers, req *call.LogRequest, out *frameWriter) error {
	ctx, cancel := whileServing(ctx)
	defer cancel(nil)
	s := logSender{out: out, numbers: map[call.LogSource]uint16{}}
	return endOf(ctx, b.Logs(ctx, req, s.send))
}

type logSender struct {
	out     *frameWriter
	numbers map[call.LogSource]uint16
}

func (s *logSender) send(e call.LogEntry) error {
	n, err := s.number(e.Source)
	if err != nil {
		return err
	}
	if e.Exit == nil {
		return s.out.write(frame{kind: frameData, stream: uint8(e.Stream), source: n, at: e.Time, payload: e.Data})
	}
	text, err := json.Marshal(e.Exit)
	if err != nil {
		return fmt.Errorf("encode exit: %w", err)
	}
	return s.out.write(frame{kind: frameExited, source: n, at: e.Time, payload: text})
}

func (s *logSender) number(source *call.LogSource) (uint16, error) {
	n, known := s.numbers[*source]
	if known {
		return n, nil
	}
	if len(s.numbers) == math.MaxUint16 {
		return 0, engine.Problem(engine.ErrUnsupported, errors.New("logs of more than 65535 containers at once"))
	}
	n = uint16(len(s.numbers) + 1)
	s.numbers[*source] = n
	return n, s.out.writeJSON(frameSource, n, source)
}

// logReader turns frames back into entries.
type logReader struct {
	sources map[uint16]*call.LogSource
	emit    func(call.LogEntry) error
}

func (r *logReader) take(f frame) error {
	if f.kind == frameSource {
		source := &call.LogSource{}
		r.sources[f.source] = source
		return decodeFrame(f, source)
	}
	e := call.LogEntry{Source: r.sources[f.source], Time: f.at, Stream: call.Stream(f.stream)}
	switch {
	case e.Source == nil:
		return fmt.Errorf("read logs: source %d has no name", f.source)
	case f.kind == frameData:
		e.Data = f.payload
	case f.kind == frameExited:
		e.Exit = &call.LogExit{}
		if err := decodeFrame(f, e.Exit); err != nil {
			return err
		}
	default:
		return nil
	}
	return r.emit(e)
}

func decodeFrame(f frame, v any) error {
	if err := json.Unmarshal(f.payload, v); err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	return nil
}
