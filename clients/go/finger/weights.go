package finger

import (
	"embed"
	"encoding/binary"
	"math"
	"sync"
)

// What is learnt is brought here by go generate.
//
//go:embed weights
var files embed.FS

const (
	surroundingComponents = 128
	hiddenUnits           = 384
	directionComponents   = 12
)

func read(name string) []byte {
	data, err := files.ReadFile("weights/" + name)
	if err != nil {
		panic("weights that were embedded are there: " + err.Error())
	}
	return data
}

// floats reads a table of 32-bit floats, little-endian, row by row.
func floats(name string, count int) []float64 {
	raw := read(name + ".f32")
	if len(raw) != 4*count {
		panic("weights have another size: " + name)
	}
	made := make([]float64, count)
	for place := range made {
		made[place] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*place:])))
	}
	return made
}

type rowWeights struct{ mean, hidden, bias, linear, output []float64 }

var rowTables = sync.OnceValue(func() *rowWeights {
	const model = "leader-rows-3/"
	return &rowWeights{
		floats(model+"mean", values), floats(model+"hidden", hiddenUnits*values), floats(model+"hidden-bias", hiddenUnits),
		floats(model+"linear", surroundingComponents*values), floats(model+"output", surroundingComponents*hiddenUnits),
	}
})

type vectorWeights struct{ mean, projection, secondOrderMean []float64 }

var vectorTables = sync.OnceValue(func() *vectorWeights {
	const model = "leader-fixed-1/"
	return &vectorWeights{
		floats(model+"mean", values), floats(model+"projection", surroundingComponents*values),
		floats(model+"second-order-mean", triangle),
	}
})

// directionOf has twelve components for the way that a minutia points.
func directionOf(angle int) []int8 {
	row := read("leader-rows-3/direction.i8")[angle*directionComponents:][:directionComponents]
	made := make([]int8, len(row))
	for place, component := range row {
		made[place] = int8(component)
	}
	return made
}

// times adds a table's product with a vector to made.
func times(made, table, vector []float64) {
	for row := range made {
		sum := 0.0
		for place, x := range vector {
			sum += table[row*len(vector)+place] * x
		}
		made[row] += sum
	}
}
