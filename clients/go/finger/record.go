// Package finger makes templates of fingers: of a minutiae record, rows for one comparison, or a vector for searches.
//
// The constants are those of docs/clients.md. The learned weights fit the minutiae of one extractor, LEADER, and the models are named
// after it.
package finger

import (
	"encoding/binary"
	"fmt"
)

const (
	maxBytes    = 65_535
	maxPosition = 10
)

// Error says that a record is none, or that no template can be made of it: capture again.
type Error struct {
	// Reason is stable, as Tumar's own tools have it: RECORD_TRUNCATED, FINGER_TOO_FEW_MINUTIAE, ..
	Reason  string
	message string
}

func (e *Error) Error() string { return e.message }

func fault(reason, format string, values ...any) error {
	return &Error{reason, fmt.Sprintf(format, values...)}
}

// minutia is as it stands in a record. The angle is in the standard's unit, counter-clockwise from the right.
type minutia struct {
	x, y           uint16
	angle, quality byte
}

// View is one capture of one finger.
type View struct {
	// Position is the finger's, from 1, the right thumb, to 10; 0 if it is not known.
	Position int
	// Number tells captures of one finger apart.
	Number int
	// ansi says that an angle is 2 degrees a unit, and not 360/256.
	ansi bool
	// across and down are pixels per centimetre.
	across, down uint16
	minutiae     []minutia
}

// reader takes fields from the front. After the first that is cut off it gives zeros, and keeps the fault.
type reader struct {
	data []byte
	at   int
	err  error
}

func (r *reader) take(count int) []byte {
	if r.err == nil && r.at+count > len(r.data) {
		r.err = fault("RECORD_TRUNCATED", "the record ends within a field, at byte %d", r.at)
	}
	if r.err != nil {
		return make([]byte, count)
	}
	r.at += count
	return r.data[r.at-count : r.at]
}

func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }

// Read gives the views of an ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004 record. The error is an *Error: the first fault from its start.
func Read(record []byte) ([]View, error) {
	if len(record) > maxBytes {
		return nil, fault("RECORD_TOO_LARGE", "the record is longer than %d bytes", maxBytes)
	}
	r := &reader{data: record}
	magic := string(r.take(4))
	if r.err == nil && magic != "FMR\x00" {
		return nil, fault("RECORD_MAGIC", "these bytes are no finger minutiae record")
	}
	version := string(r.take(4))
	if r.err == nil && version != " 20\x00" {
		return nil, fault("RECORD_VERSION", "the record's version is not 20")
	}
	ansi, err := r.length()
	if err != nil {
		return nil, err
	}
	views, err := r.header(ansi)
	if err != nil {
		return nil, err
	}
	if r.at < len(record) {
		return nil, fault("RECORD_TRAILING", "the record's views end at byte %d, before its end", r.at)
	}
	return views, nil
}

// length tells by the form of the length whose standard's the record is, and whether it is as long as it says.
func (r *reader) length() (ansi bool, err error) {
	declared := r.u16()
	ansi = declared != 0
	if !ansi {
		if declared = r.u16(); declared == 0 {
			// The long form of ANSI 378: its upper half was zero.
			ansi, declared = true, r.u16()
		}
	}
	if r.err == nil && int(declared) != len(r.data) {
		return ansi, fault("RECORD_LENGTH", "the record says that it has %d bytes, but has %d", declared, len(r.data))
	}
	return ansi, r.err
}

func (r *reader) header(ansi bool) ([]View, error) {
	if ansi {
		r.take(4)
	}
	r.take(6)
	across, down := r.u16(), r.u16()
	if r.err == nil && (across == 0 || down == 0) {
		return nil, fault("RECORD_RESOLUTION", "the record gives a resolution of zero")
	}
	count := r.take(2)[0]
	if r.err == nil && count == 0 {
		return nil, fault("RECORD_NO_VIEWS", "the record has no view")
	}
	views := make([]View, 0, count)
	for range count {
		view, err := r.view(ansi)
		if err != nil {
			return nil, err
		}
		view.across, view.down = across, down
		views = append(views, view)
	}
	return views, r.err
}

func (r *reader) view(ansi bool) (View, error) {
	head := r.take(4)
	if r.err == nil && head[0] > maxPosition {
		return View{}, fault("RECORD_POSITION", "%d is not the position of a finger", head[0])
	}
	view := View{Position: int(head[0]), Number: int(head[1] >> 4), ansi: ansi}
	for range head[3] {
		x, y, rest := r.u16(), r.u16(), r.take(2)
		if r.err == nil && ansi && rest[0] >= 180 {
			return View{}, fault("RECORD_ANGLE", "%d times two degrees is not an angle below 360 degrees", rest[0])
		}
		view.minutiae = append(view.minutiae, minutia{x & 0x3fff, y & 0x3fff, rest[0], rest[1]})
	}
	r.take(int(r.u16()))
	return view, r.err
}

// only is the one view of a record.
func only(record []byte) (*View, error) {
	views, err := Read(record)
	if err != nil {
		return nil, err
	}
	if len(views) > 1 {
		return nil, fault("RECORD_VIEW_AMBIGUOUS", "the record has %d views: choose one of those that Read gives", len(views))
	}
	return &views[0], nil
}
