// Package band quantises directions, which faces and fingers have in common.
package band

import "math"

// Largest component of a template.
const Largest = 7

const halvings = 60

// Round gives components in -7..7 along a unit vector whose squared length is 6d, 2 % less or more; nil if no scale gives that.
// Interval, number of halvings and rounding are those of all clients, so that all make the same of one face.
func Round(unit []float64) []int8 {
	d := len(unit)
	lower, upper := (588*d+99)/100, 612*d/100
	low, high := 0.0, 64*math.Sqrt(float64(d))
	components := make([]int8, d)
	for range halvings {
		scale, norm := (low+high)/2, 0
		for place, x := range unit {
			q := max(-Largest, min(Largest, math.RoundToEven(scale*x)))
			components[place] = int8(q)
			norm += int(q) * int(q)
		}
		switch {
		case norm < lower:
			low = scale
		case norm > upper:
			high = scale
		default:
			return components
		}
	}
	clear(components)
	return nil
}
