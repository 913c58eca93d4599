package io.tumar.client;

/** From the mean of a finger's rows with each other to one vector, by a projection of signs that anybody can make. */
final class SecondOrder {
    private static final int SIZE = 128;
    private static final int TRIANGLE = SIZE * (SIZE + 1) / 2;
    private static final int COMPONENTS = 1024;
    private static final int WORDS = COMPONENTS / 64;
    private static final double OF_VALUES = 0.35;
    private static final double OF_ENTRIES = 0.7;

    private SecondOrder() {}

    private static final class Learned {
        static final Weights MEAN = Weights.load("leader-fixed-1/second-order-mean", 1, TRIANGLE);
    }

    /** 1024 components, of any length. */
    static double[] folded(double[][] mean) {
        double[][] flat = Symmetric.power(mean, OF_VALUES);
        double[] triangle = new double[TRIANGLE];
        int place = 0;
        for (int i = 0; i < SIZE; i++) {
            for (int j = i; j < SIZE; j++) {
                double entry = i == j ? flat[i][j] : flat[i][j] * Math.sqrt(2);
                triangle[place++] = Math.signum(entry) * Math.pow(Math.abs(entry), OF_ENTRIES);
            }
        }
        double[] centred = Learned.MEAN.from(triangle);
        double[] sums = new double[COMPONENTS];
        for (int line = 0; line < TRIANGLE; line++) {
            for (int word = 0; word < WORDS; word++) {
                long signs = mixed((line * (long) WORDS + word + 1) * 0x9E3779B97F4A7C15L);
                for (int bit = 0; bit < 64; bit++) {
                    sums[word * 64 + bit] += (signs >>> bit & 1) == 1 ? centred[line] : -centred[line];
                }
            }
        }
        return sums;
    }

    /** The output function of SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014). */
    private static long mixed(long state) {
        long z = state;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
