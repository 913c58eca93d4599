package io.tumar.client;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A learned matrix of 32-bit floats, row by row; sums are of 64 bits. */
final class Weights {
    private final float[] values;
    private final int columns;

    private Weights(float[] values, int columns) {
        this.values = values;
        this.columns = columns;
    }

    /** By its name below the service's folder of weights. */
    static Weights load(String name, int rows, int columns) {
        byte[] raw = raw(name + ".f32");
        if (raw.length != 4 * rows * columns) {
            throw new IllegalStateException(name + " has another size");
        }
        float[] values = new float[rows * columns];
        ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return new Weights(values, columns);
    }

    static byte[] raw(String name) {
        try (InputStream stream = Weights.class.getResourceAsStream("weights/" + name)) {
            if (stream == null) {
                throw new IllegalStateException(name + " is not in this build");
            }
            return stream.readAllBytes();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** The matrix times a vector. */
    double[] times(double[] vector) {
        double[] product = new double[values.length / columns];
        for (int row = 0; row < product.length; row++) {
            for (int column = 0; column < columns; column++) {
                product[row] += values[row * columns + column] * vector[column];
            }
        }
        return product;
    }

    /** A vector less this one. */
    double[] from(double[] vector) {
        double[] difference = new double[vector.length];
        for (int place = 0; place < vector.length; place++) {
            difference[place] = vector[place] - values[place];
        }
        return difference;
    }

    /** A vector and this one. */
    double[] plus(double[] vector) {
        double[] sum = new double[vector.length];
        for (int place = 0; place < vector.length; place++) {
            sum[place] = vector[place] + values[place];
        }
        return sum;
    }
}
