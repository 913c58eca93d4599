package finger

import (
	"math"

	"tumar.example/tumar"
	"tumar.example/tumar/internal/band"
)

const (
	leastRows, maxRows   = 4, 40
	repeated, maxRepeats = 0.45, 1
)

// row is what is around one minutia, as far as it tells people apart.
type row struct {
	unit  []float64
	angle int
}

// Rows makes the set of 4 to 40 rows for the model leader-rows-3, for one comparison, of a record with one view. The error is an *Error.
func Rows(record []byte) (*tumar.Template, error) {
	view, err := only(record)
	if err != nil {
		return nil, err
	}
	return view.Rows()
}

// Rows does the same of one of several views.
func (v *View) Rows() (*tumar.Template, error) {
	weights := rowTables()
	rows, err := v.rows(weights.mean, func(x []float64) []float64 {
		hidden := append([]float64(nil), weights.bias...)
		times(hidden, weights.hidden, x)
		for place, h := range hidden {
			hidden[place] = max(h, 0)
		}
		made := make([]float64, surroundingComponents)
		times(made, weights.linear, x)
		times(made, weights.output, hidden)
		clear(hidden)
		return made
	})
	defer wipe(rows)
	if err != nil {
		return nil, err
	}
	var components []int8
	count := 0
	for _, row := range rows {
		around := band.Round(row.unit)
		if around == nil || count == maxRows {
			continue
		}
		components = append(append(components, around...), directionOf(row.angle)...)
		clear(around)
		count++
	}
	defer clear(components)
	if count < leastRows {
		return nil, tooFew(count)
	}
	return tumar.NewTemplate(count, surroundingComponents+directionComponents, components)
}

func tooFew(count int) error {
	return fault("FINGER_TOO_FEW_MINUTIAE", "only %d minutiae have enough of the finger around them", count)
}

// rows are encoded, brought to length 1, and rid of those that repeat each other.
func (v *View) rows(mean []float64, encode func([]float64) []float64) ([]row, error) {
	var rows []row
	for _, cylinder := range v.cylinders() {
		for place := range cylinder.values {
			cylinder.values[place] -= mean[place]
		}
		made := encode(cylinder.values)
		clear(cylinder.values)
		if length := math.Sqrt(dot(made, made)); length > 0 {
			for place := range made {
				made[place] /= length
			}
			rows = append(rows, row{made, cylinder.angle})
		}
	}
	if len(rows) < leastRows {
		defer wipe(rows)
		return nil, tooFew(len(rows))
	}
	kept := apart(rows)
	if len(kept) < leastRows {
		defer wipe(rows)
		return nil, fault("FINGER_REPEATS", "the surroundings of the minutiae repeat each other, which no finger's do")
	}
	return kept, nil
}

// apart leaves out the rows that are like more than one other: noisy prints repeat themselves, and a pattern is no finger.
func apart(rows []row) []row {
	var kept []row
	for own, row := range rows {
		like := 0
		for other := range rows {
			if other != own && dot(row.unit, rows[other].unit) > repeated {
				like++
			}
		}
		if like <= maxRepeats {
			kept = append(kept, row)
		}
	}
	return kept
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for place, x := range a {
		sum += x * b[place]
	}
	return sum
}

func wipe(rows []row) {
	for _, row := range rows {
		clear(row.unit)
	}
}
