package io.tumar.client;

import java.util.Arrays;

/**
 * A quantised face or finger, in the clear: to be shared and wiped. {@link #close} overwrites it.
 *
 * <p>One row of 64 to 512 (even), or 1024, 1536, 2048 components is a vector; 4 to 40 rows of 140 are a set. Components are from -7 to 7.
 */
public final class Template implements AutoCloseable {
    private static final int SEGMENT = 512;
    private static final int ROW = 140;
    private static final int HALVINGS = 60;

    private final int rows;
    private final int columns;
    private final byte[] components;
    private boolean wiped;

    private Template(int rows, int columns, byte[] components) {
        this.rows = rows;
        this.columns = columns;
        this.components = components;
    }

    /** Of components that were quantised elsewhere, row by row; they are copied. InputException where no template has this shape. */
    public static Template of(int rows, byte[] components) {
        int columns = rows < 1 ? 0 : components.length / rows;
        if (!isShape(rows, columns) || rows * columns != components.length) {
            throw new InputException("no template has " + components.length + " components in " + rows + " rows");
        }
        for (byte component : components) {
            if (component < -7 || component > 7) {
                throw new InputException("a component is from -7 to 7");
            }
        }
        return new Template(rows, columns, components.clone());
    }

    /** A face's template from its embedding: any length but zero, as many components as the model says. TemplateException says why not. */
    public static Template quantise(float[] embedding) {
        if (!isShape(1, embedding.length)) {
            throw new TemplateException(TemplateException.Fault.DIMENSION);
        }
        double[] unit = new double[embedding.length];
        try {
            double sum = 0;
            for (int place = 0; place < unit.length; place++) {
                if (!Float.isFinite(embedding[place])) {
                    throw new TemplateException(TemplateException.Fault.NOT_FINITE);
                }
                unit[place] = embedding[place];
                sum += unit[place] * unit[place];
            }
            if (sum == 0) {
                throw new TemplateException(TemplateException.Fault.ZERO);
            }
            double length = Math.sqrt(sum);
            for (int place = 0; place < unit.length; place++) {
                unit[place] /= length;
            }
            byte[] found = roundToBand(unit);
            if (found == null) {
                throw new TemplateException(TemplateException.Fault.SPARSE);
            }
            return new Template(1, unit.length, found);
        } finally {
            Arrays.fill(unit, 0);
        }
    }

    /** The same of wider numbers, which are read as 32-bit floats first: so all clients make one template of one face. */
    public static Template quantise(double[] embedding) {
        float[] narrow = new float[embedding.length];
        try {
            for (int place = 0; place < narrow.length; place++) {
                narrow[place] = (float) embedding[place];
            }
            return quantise(narrow);
        } finally {
            Arrays.fill(narrow, 0);
        }
    }

    /**
     * Components along a unit vector, whose squared length is 6d, less or more 2 %; null if no scale gives that. The scale is bisected from
     * 0 to 64 sqrt d in at most 60 halvings, and ties are rounded to even: so every client makes the same.
     */
    static byte[] roundToBand(double[] unit) {
        int least = (588 * unit.length + 99) / 100;
        int most = 612 * unit.length / 100;
        double low = 0;
        double high = 64 * Math.sqrt(unit.length);
        byte[] rounded = new byte[unit.length];
        for (int halving = 0; halving < HALVINGS; halving++) {
            double scale = (low + high) / 2;
            int norm = 0;
            for (int place = 0; place < unit.length; place++) {
                rounded[place] = (byte) Math.max(-7, Math.min(7, Math.rint(scale * unit[place])));
                norm += rounded[place] * rounded[place];
            }
            if (norm < least) {
                low = scale;
            } else if (norm > most) {
                high = scale;
            } else {
                return rounded;
            }
        }
        Arrays.fill(rounded, (byte) 0);
        return null;
    }

    private static boolean isShape(int rows, int columns) {
        if (rows == 1) {
            boolean isShort = 64 <= columns && columns <= SEGMENT && columns % 2 == 0;
            return isShort || columns == 2 * SEGMENT || columns == 3 * SEGMENT || columns == 4 * SEGMENT;
        }
        return columns == ROW && 4 <= rows && rows <= 40;
    }

    /** 1 for a vector. */
    public int rows() {
        return rows;
    }

    /** Components of each row. */
    public int columns() {
        return columns;
    }

    /** Two components a byte, in two's complement: component 2k in the low nibble of byte k, 2k + 1 in the high one. The caller wipes it. */
    public byte[] pack() {
        if (wiped) {
            throw new IllegalStateException("the template was wiped");
        }
        byte[] packed = new byte[components.length / 2];
        for (int place = 0; place < packed.length; place++) {
            packed[place] = (byte) (components[2 * place] & 15 | components[2 * place + 1] << 4);
        }
        return packed;
    }

    /** Overwrites the components. The template can not be used after that. */
    @Override
    public void close() {
        Arrays.fill(components, (byte) 0);
        wiped = true;
    }

    @Override
    public String toString() {
        return "Template(" + rows + "x" + columns + ")";
    }
}
