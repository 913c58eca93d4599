package tumar

import (
	"fmt"
	"math"

	"tumar.example/tumar/internal/band"
)

const (
	segment            = 512
	rowColumns         = 140
	leastRows, maxRows = 4, 40
)

// Template is a quantised face or finger, in plain form: split it, then wipe it. One row of 64 to 512 (even), or 1024, 1536 or 2048
// components is a vector; 4 to 40 rows of 140 are a set.
type Template struct {
	components    []int8
	rows, columns int
}

// NewTemplate makes a template of components between -8 and 7, row by row. It keeps no reference to them.
func NewTemplate(rows, columns int, components []int8) (*Template, error) {
	if !isShape(rows, columns) || len(components) != rows*columns {
		return nil, inputError("no template has the shape %dx%d with %d components", rows, columns, len(components))
	}
	for _, component := range components {
		if component < -8 || component > band.Largest {
			return nil, inputError("%d is no component of a template", component)
		}
	}
	return &Template{append([]int8(nil), components...), rows, columns}, nil
}

// Rows is 1 for a vector.
func (t *Template) Rows() int { return t.rows }

// Columns is the number of components of each row.
func (t *Template) Columns() int { return t.columns }

// Components has them row by row, and is not a copy.
func (t *Template) Components() []int8 { return t.components }

// Pack puts two components into a byte, in two's complement: component 2k in the low nibble of byte k, 2k+1 in the high one.
func (t *Template) Pack() []byte {
	packed := make([]byte, len(t.components)/2)
	for place := range packed {
		packed[place] = byte(t.components[2*place])&15 | byte(t.components[2*place+1])<<4
	}
	return packed
}

// Wipe overwrites the components.
func (t *Template) Wipe() { clear(t.components) }

// String hides the components.
func (t *Template) String() string { return fmt.Sprintf("Template(%dx%d)", t.rows, t.columns) }

// GoString hides them too.
func (t *Template) GoString() string { return t.String() }

func isShape(rows, columns int) bool {
	if rows == 1 {
		short := columns >= 64 && columns <= segment && columns%2 == 0
		return short || columns == 2*segment || columns == 3*segment || columns == 4*segment
	}
	return columns == rowColumns && rows >= leastRows && rows <= maxRows
}

// Quantise makes a face's template of its embedding: of any length but zero, with as many components as the model says. The error is one
// of ErrDimension, ErrNotFinite, ErrZero and ErrSparse. The embedding itself is the caller's to wipe.
func Quantise(embedding []float32) (*Template, error) {
	if !isShape(1, len(embedding)) {
		return nil, fmt.Errorf("%w: %d", ErrDimension, len(embedding))
	}
	unit := make([]float64, len(embedding))
	defer clear(unit)
	for place, component := range embedding {
		unit[place] = float64(component)
	}
	if err := toUnit(unit); err != nil {
		return nil, err
	}
	components := band.Round(unit)
	if components == nil {
		return nil, ErrSparse
	}
	return &Template{components, 1, len(components)}, nil
}

// toUnit scales a vector to length 1. The sum goes from the first to the last component: in another order it may differ in its last bit.
func toUnit(vector []float64) error {
	sum := 0.0
	for _, x := range vector {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return ErrNotFinite
		}
		// The conversion keeps the compiler from fusing product and sum, which some processors would round otherwise.
		sum += float64(x * x)
	}
	length := math.Sqrt(sum)
	if length == 0 {
		return ErrZero
	}
	for place := range vector {
		vector[place] /= length
	}
	return nil
}
