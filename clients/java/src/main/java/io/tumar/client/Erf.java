package io.tumar.client;

/** The error function, which Java lacks. */
final class Erf {
    private static final double ONE_FROM = 6;

    private Erf() {}

    /**
     * By the series 2 / sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ..): all terms have one sign, so nothing cancels, and the error is a
     * few units in the last place. From 6 on it is 1 in 64 bits.
     */
    static double of(double x) {
        if (Math.abs(x) >= ONE_FROM) {
            return Math.signum(x);
        }
        double term = x;
        double sum = x;
        for (int n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
    }
}
