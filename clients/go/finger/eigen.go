package finger

import "math"

// eigen gives the eigenvalues of a symmetric matrix, which it overwrites, and their vectors, a column each, by Jacobi's rotations in
// cyclic order.
func eigen(m []float64, n int) (eigenvalues, vectors []float64) {
	vectors = make([]float64, n*n)
	for i := range n {
		vectors[i*n+i] = 1
	}
	// Each sweep squares what is left beside the diagonal, once it is small: ten are enough, and the bound keeps what is not finite from
	// going on for ever.
	for sweep := 0; sweep < 50 && beside(m, n) > 1e-30; sweep++ {
		for p := range n {
			for q := p + 1; q < n; q++ {
				rotate(m, vectors, n, p, q)
			}
		}
	}
	eigenvalues = make([]float64, n)
	for i := range n {
		eigenvalues[i] = m[i*n+i]
	}
	return eigenvalues, vectors
}

// beside is the sum of squares off the diagonal.
func beside(m []float64, n int) float64 {
	sum := 0.0
	for i := range n {
		for j := range i {
			sum += 2 * m[i*n+j] * m[i*n+j]
		}
	}
	return sum
}

// rotate makes the entry at p and q zero.
func rotate(m, vectors []float64, n, p, q int) {
	if m[p*n+q] == 0 {
		return
	}
	theta := (m[q*n+q] - m[p*n+p]) / (2 * m[p*n+q])
	t := math.Copysign(1/(math.Abs(theta)+math.Sqrt(theta*theta+1)), theta)
	c := 1 / math.Sqrt(t*t+1)
	s := t * c
	for k := range n {
		a, b := m[k*n+p], m[k*n+q]
		m[k*n+p], m[k*n+q] = c*a-s*b, s*a+c*b
	}
	for k := range n {
		a, b := m[p*n+k], m[q*n+k]
		m[p*n+k], m[q*n+k] = c*a-s*b, s*a+c*b
	}
	for k := range n {
		a, b := vectors[k*n+p], vectors[k*n+q]
		vectors[k*n+p], vectors[k*n+q] = c*a-s*b, s*a+c*b
	}
}
