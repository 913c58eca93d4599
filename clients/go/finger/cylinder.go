package finger

import (
	"cmp"
	"math"
	"slices"
)

const (
	cellsAcross, radius, directions = 10, 85.0, 6
	cellSide, step                  = 2 * radius / cellsAcross, 2 * math.Pi / directions
	sigma, sigmaDirection           = 28.0 / 3, 2 * math.Pi / 9
	reach, margin                   = 3 * sigma, 50.0
	middle, steepness               = 0.01, 400.0
	leastValidCells, leastOthers    = 60, 2
	leastMinutiae                   = 3
	cellCount                       = 80
	values                          = cellCount * directions
)

// cells are the places of the cells of a cylinder around its minutia, which points along u.
var cells = func() (made []point) {
	for i := range cellsAcross {
		for j := range cellsAcross {
			u, v := (float64(i)-4.5)*cellSide, (float64(j)-4.5)*cellSide
			if u*u+v*v <= radius*radius {
				made = append(made, point{u, v})
			}
		}
	}
	return made
}()

// mark is a minutia at 500 dpi, with y up.
type mark struct {
	place     point
	direction float64
	// angle is the direction in 256ths of a turn.
	angle int
}

// marks come best first; equals stay in the record's order.
func (v *View) marks() []mark {
	sorted := slices.Clone(v.minutiae)
	slices.SortStableFunc(sorted, func(a, b minutia) int { return -cmp.Compare(a.quality, b.quality) })
	across, down := 500/(float64(v.across)*2.54), 500/(float64(v.down)*2.54)
	made := make([]mark, len(sorted))
	for place, m := range sorted {
		steps, angle := 256.0, int(m.angle)
		if v.ansi {
			steps, angle = 180, (angle*256+90)/180
		}
		made[place] = mark{point{float64(m.x) * across, -(float64(m.y) * down)}, float64(m.angle) * (2 * math.Pi) / steps, angle}
	}
	return made
}

// cylinder is what is around one minutia.
type cylinder struct {
	values []float64
	angle  int
}

// cylinders of those minutiae that have enough of the finger around them.
func (v *View) cylinders() []cylinder {
	marks := v.marks()
	if len(marks) < leastMinutiae {
		return nil
	}
	places := make([]point, len(marks))
	for place, mark := range marks {
		places[place] = mark.place
	}
	hull := convexHull(places)
	var made []cylinder
	for own := range marks {
		if around := surroundings(marks, own, hull); around != nil {
			made = append(made, cylinder{around, marks[own].angle})
		}
	}
	return made
}

// surroundings are the values of one cylinder, or nil if there is none.
func surroundings(marks []mark, own int, hull []point) []float64 {
	centre, near := marks[own], 0
	for place, other := range marks {
		far := math.Hypot(other.place.x-centre.place.x, other.place.y-centre.place.y)
		if place != own && far <= radius+reach {
			near++
		}
	}
	if near < leastOthers {
		return nil
	}
	sine, cosine := math.Sincos(centre.direction)
	shares, made, valid := turns(marks, own), make([]float64, values), 0
	for place, cell := range cells {
		at := point{centre.place.x + cosine*cell.x - sine*cell.y, centre.place.y + sine*cell.x + cosine*cell.y}
		if !holds(hull, at) {
			continue
		}
		valid++
		contribute(made[place*directions:][:directions], at, marks, own, shares)
	}
	if valid < leastValidCells {
		clear(made)
		return nil
	}
	return made
}

// contribute fills the six values of a cell that is valid.
func contribute(made []float64, at point, marks []mark, own int, shares [][directions]float64) {
	for place, other := range marks {
		dx, dy := at.x-other.place.x, at.y-other.place.y
		squared := dx*dx + dy*dy
		if place == own || squared > reach*reach {
			continue
		}
		weight := math.Exp(-squared/(2*sigma*sigma)) / (sigma * math.Sqrt(2*math.Pi))
		for k := range made {
			made[k] += weight * shares[place][k]
		}
	}
	for k, sum := range made {
		made[k] = 1 / (1 + math.Exp(-steepness*(sum-middle)))
	}
}

// turns tells how much of another minutia's direction, seen from this one's, falls into each sixth of a turn.
func turns(marks []mark, own int) [][directions]float64 {
	made := make([][directions]float64, len(marks))
	for place, other := range marks {
		turned := wrap(marks[own].direction - other.direction)
		for k := range directions {
			off := wrap(-math.Pi + (float64(k)+0.5)*step - turned)
			made[place][k] = phi(off+step/2) - phi(off-step/2)
		}
	}
	return made
}

func phi(z float64) float64 { return 0.5 * math.Erf(z/(sigmaDirection*math.Sqrt2)) }

// wrap brings an angle into -pi to pi.
func wrap(angle float64) float64 {
	turned := math.Mod(angle+math.Pi, 2*math.Pi)
	if turned < 0 {
		turned += 2 * math.Pi
	}
	return turned - math.Pi
}
