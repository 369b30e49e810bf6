// Package frame is how one piece of a container's output lies in a log file.
//
// A log file is nothing but frames, one behind the other. A frame is what the
// keeper got with one read of a pipe, so it holds any number of lines and may end
// in the middle of one; joining and splitting lines is the reader's work. The
// length stands at both ends, so that a file can be walked from either:
//
//	 0      4      6      7      8               16            16+length
//	┌──────┬──────┬──────┬──────┬───────────────┬─────────────┬──────┐
//	│length│magic │stream│flags │unix nanosecond│payload      │length│
//	│ u32  │ u16  │ u8   │ u8   │ i64           │length bytes │ u32  │
//	└──────┴──────┴──────┴──────┴───────────────┴─────────────┴──────┘
//
// Everything is little endian. A file whose writer was killed may end in a piece
// of a frame; whatever is written later begins in a new file, so such a piece is
// always the end.
//
// Not here: files, rotation, lines (engine/logs); the writer (engine/keeper).
package frame
