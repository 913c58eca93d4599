package finger

import (
	"math"

	"tumar.example/tumar"
	"tumar.example/tumar/internal/band"
)

const (
	vectorComponents = 1024
	triangle         = surroundingComponents * (surroundingComponents + 1) / 2
)

// Vector makes the vector of 1024 components for the model leader-fixed-1, for searches, of a record with one view. The error is an *Error.
func Vector(record []byte) (*tumar.Template, error) {
	view, err := only(record)
	if err != nil {
		return nil, err
	}
	return view.Vector()
}

// Vector does the same of one of several views.
func (v *View) Vector() (*tumar.Template, error) {
	weights := vectorTables()
	rows, err := v.rows(weights.mean, func(x []float64) []float64 {
		made := make([]float64, surroundingComponents)
		times(made, weights.projection, x)
		return made
	})
	defer wipe(rows)
	if err != nil {
		return nil, err
	}
	pooled := pool(rows)
	for place := range pooled {
		pooled[place] -= weights.secondOrderMean[place]
	}
	folded := fold(pooled)
	clear(pooled)
	defer clear(folded)
	length := math.Sqrt(dot(folded, folded))
	for place := range folded {
		folded[place] /= length
	}
	components := band.Round(folded)
	if components == nil {
		return nil, fault("FINGER_SPARSE", "the finger's vector is too sparse to be quantised")
	}
	defer clear(components)
	return tumar.NewTemplate(1, vectorComponents, components)
}

// pool makes one vector of any number of rows: their second moments, of which eigenvalues and entries are brought closer together.
func pool(rows []row) []float64 {
	const n = surroundingComponents
	moments := make([]float64, n*n)
	for _, row := range rows {
		for i, x := range row.unit {
			for j, y := range row.unit {
				moments[i*n+j] += x * y / float64(len(rows))
			}
		}
	}
	eigenvalues, vectors := eigen(moments, n)
	for place, value := range eigenvalues {
		eigenvalues[place] = math.Pow(max(value, 0), 0.35)
	}
	pooled := make([]float64, 0, triangle)
	for i := range n {
		for j := i; j < n; j++ {
			sum := 0.0
			for k, value := range eigenvalues {
				sum += vectors[i*n+k] * value * vectors[j*n+k]
			}
			if i != j {
				sum *= math.Sqrt2
			}
			pooled = append(pooled, math.Copysign(math.Pow(math.Abs(sum), 0.7), sum))
		}
	}
	clear(moments)
	clear(vectors)
	return pooled
}

// fold brings a vector to fewer components, by signs that come from the output function of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
func fold(pooled []float64) []float64 {
	const words = vectorComponents / 64
	folded := make([]float64, vectorComponents)
	for i, value := range pooled {
		for word := range words {
			signs := mix(uint64(i*words+word+1) * 0x9E3779B97F4A7C15)
			for bit := range 64 {
				if signs>>bit&1 == 1 {
					folded[word*64+bit] += value
				} else {
					folded[word*64+bit] -= value
				}
			}
		}
	}
	return folded
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
