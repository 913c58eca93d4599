package io.tumar.client;

/** Powers of symmetric matrices. */
final class Symmetric {
    private static final int MOST_SWEEPS = 50;
    private static final double NOTHING = 1e-30;

    private Symmetric() {}

    /** V max(w, 0)^exponent V', where w are the eigenvalues and V the eigenvectors of a matrix, which is left as it is. */
    static double[][] power(double[][] matrix, double exponent) {
        int size = matrix.length;
        double[][] left = new double[size][];
        double[][] vectors = new double[size][size];
        for (int place = 0; place < size; place++) {
            left[place] = matrix[place].clone();
            vectors[place][place] = 1;
        }
        diagonalise(left, vectors);
        double[][] made = new double[size][size];
        for (int k = 0; k < size; k++) {
            double raised = Math.pow(Math.max(left[k][k], 0), exponent);
            for (int i = 0; i < size; i++) {
                for (int j = 0; j < size; j++) {
                    made[i][j] += vectors[k][i] * raised * vectors[k][j];
                }
            }
        }
        return made;
    }

    /** Jacobi's rotations, sweep by sweep, until nothing is left beside the diagonal. Line k of `vectors` becomes the k-th eigenvector. */
    private static void diagonalise(double[][] matrix, double[][] vectors) {
        for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
            double beside = 0;
            for (int p = 0; p < matrix.length; p++) {
                for (int q = p + 1; q < matrix.length; q++) {
                    beside += matrix[p][q] * matrix[p][q];
                    rotate(matrix, vectors, p, q);
                }
            }
            if (beside < NOTHING) {
                return;
            }
        }
    }

    private static void rotate(double[][] matrix, double[][] vectors, int p, int q) {
        if (matrix[p][q] == 0) {
            return;
        }
        double theta = (matrix[q][q] - matrix[p][p]) / (2 * matrix[p][q]);
        double sign = theta < 0 ? -1 : 1;
        double tangent = sign / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        double cosine = 1 / Math.sqrt(tangent * tangent + 1);
        double sine = tangent * cosine;
        for (double[] line : matrix) {
            double first = line[p];
            double second = line[q];
            line[p] = cosine * first - sine * second;
            line[q] = sine * first + cosine * second;
        }
        mix(matrix, p, q, cosine, sine);
        mix(vectors, p, q, cosine, sine);
    }

    private static void mix(double[][] lines, int p, int q, double cosine, double sine) {
        for (int place = 0; place < lines.length; place++) {
            double first = lines[p][place];
            double second = lines[q][place];
            lines[p][place] = cosine * first - sine * second;
            lines[q][place] = sine * first + cosine * second;
        }
    }
}
