package finger

import (
	"cmp"
	"slices"
)

type point struct{ x, y float64 }

// convexHull gives the corners, counter-clockwise (A. M. Andrew, 1979).
func convexHull(places []point) []point {
	points := slices.Clone(places)
	slices.SortFunc(points, func(a, b point) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) })
	points = slices.Compact(points)
	corners := half(points)
	slices.Reverse(points)
	corners = append(corners, half(points)...)
	if len(corners) == 0 {
		return points[:1]
	}
	return corners
}

// half is the lower half, without its last corner.
func half(points []point) []point {
	var corners []point
	for _, p := range points {
		for len(corners) > 1 {
			a, b := corners[len(corners)-2], corners[len(corners)-1]
			if (b.x-a.x)*(p.y-a.y)-(b.y-a.y)*(p.x-a.x) > 0 {
				break
			}
			corners = corners[:len(corners)-1]
		}
		corners = append(corners, p)
	}
	return corners[:len(corners)-1]
}

// holds tells whether a place is inside, or at most the margin away.
func holds(hull []point, place point) bool {
	inside, nearest := len(hull) > 2, margin*margin+1
	for corner, from := range hull {
		to := hull[(corner+1)%len(hull)]
		edge, off := point{to.x - from.x, to.y - from.y}, point{place.x - from.x, place.y - from.y}
		if edge.x*off.y-edge.y*off.x < 0 {
			inside = false
		}
		part := (off.x*edge.x + off.y*edge.y) / max(edge.x*edge.x+edge.y*edge.y, 1e-12)
		part = max(0, min(1, part))
		gap := point{off.x - part*edge.x, off.y - part*edge.y}
		nearest = min(nearest, gap.x*gap.x+gap.y*gap.y)
	}
	return inside || nearest <= margin*margin
}
