package io.tumar.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * From a minutiae record, ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004, to rows for one comparison, or to one vector for a search. The
 * learned weights fit the minutiae of one extractor, LEADER, and models are named after it. What is computed on the way is not wiped.
 */
public final class Fingers {
    private static final int SURROUNDINGS = 128;
    private static final int HIDDEN = 384;
    private static final int TURN = 12;
    private static final int LEAST_ROWS = 4;
    private static final int MOST_ROWS = 40;
    private static final double REPEATED = 0.45;

    private Fingers() {}

    /** A row of length 1, and the direction of its minutia in 256ths of a turn. */
    private record Row(double[] unit, int turn) {}

    /** Loaded when the first finger comes. */
    private static final class OfRows {
        static final Weights MEAN = Weights.load("leader-rows-3/mean", 1, Cylinders.VALUES);
        static final Weights LINEAR = Weights.load("leader-rows-3/linear", SURROUNDINGS, Cylinders.VALUES);
        static final Weights HIDING = Weights.load("leader-rows-3/hidden", HIDDEN, Cylinders.VALUES);
        static final Weights BIAS = Weights.load("leader-rows-3/hidden-bias", 1, HIDDEN);
        static final Weights OUTPUT = Weights.load("leader-rows-3/output", SURROUNDINGS, HIDDEN);
        static final byte[] DIRECTION = Weights.raw("leader-rows-3/direction.i8");

        static double[] row(double[] values) {
            double[] x = MEAN.from(values);
            double[] hidden = BIAS.plus(HIDING.times(x));
            for (int place = 0; place < hidden.length; place++) {
                hidden[place] = Math.max(hidden[place], 0);
            }
            double[] row = LINEAR.times(x);
            double[] bent = OUTPUT.times(hidden);
            for (int place = 0; place < row.length; place++) {
                row[place] += bent[place];
            }
            return row;
        }
    }

    /** The same for vectors. */
    private static final class OfVector {
        static final Weights MEAN = Weights.load("leader-fixed-1/mean", 1, Cylinders.VALUES);
        static final Weights PROJECTION = Weights.load("leader-fixed-1/projection", SURROUNDINGS, Cylinders.VALUES);

        static double[] row(double[] values) {
            return PROJECTION.times(MEAN.from(values));
        }
    }

    /** A set of 4 to 40 rows of 140 for the model {@code leader-rows-3}. FingerException if the record's one view makes none. */
    public static Template rows(byte[] record) {
        return rows(only(record));
    }

    /** The same of one view of several. */
    public static Template rows(byte[] record, int position, int number) {
        return rows(named(record, position, number));
    }

    /** One vector of 1024 components for the model {@code leader-fixed-1}. FingerException if the record's one view makes none. */
    public static Template vector(byte[] record) {
        return vector(only(record));
    }

    /** The same of one view of several. */
    public static Template vector(byte[] record, int position, int number) {
        return vector(named(record, position, number));
    }

    private static FingerRecord.View only(byte[] record) {
        List<FingerRecord.View> views = FingerRecord.read(record);
        if (views.size() > 1) {
            throw new FingerException("RECORD_VIEW_AMBIGUOUS", "the record has " + views.size() + " views: name position and number");
        }
        return views.get(0);
    }

    private static FingerRecord.View named(byte[] record, int position, int number) {
        List<FingerRecord.View> views =
                FingerRecord.read(record).stream().filter(view -> view.position() == position && view.number() == number).toList();
        if (views.isEmpty()) {
            throw new FingerException("RECORD_VIEW_ABSENT", "the record has no such view");
        }
        if (views.size() > 1) {
            throw new FingerException("RECORD_VIEW_AMBIGUOUS", "the record has " + views.size() + " such views");
        }
        return views.get(0);
    }

    private static Template rows(FingerRecord.View view) {
        List<byte[]> made = new ArrayList<>();
        for (Row row : apart(view, OfRows::row)) {
            byte[] surroundings = Template.roundToBand(row.unit());
            if (surroundings != null && made.size() < MOST_ROWS) {
                byte[] whole = Arrays.copyOf(surroundings, SURROUNDINGS + TURN);
                System.arraycopy(OfRows.DIRECTION, row.turn() * TURN, whole, SURROUNDINGS, TURN);
                made.add(whole);
            }
        }
        require(made.size());
        byte[] components = new byte[made.size() * (SURROUNDINGS + TURN)];
        for (int place = 0; place < made.size(); place++) {
            System.arraycopy(made.get(place), 0, components, place * (SURROUNDINGS + TURN), SURROUNDINGS + TURN);
        }
        return Template.of(made.size(), components);
    }

    private static void require(int rows) {
        if (rows < LEAST_ROWS) {
            throw new FingerException("FINGER_TOO_FEW_MINUTIAE", "only " + rows + " minutiae have enough of the finger around them");
        }
    }

    /** Without the rows that are like more than one other: noisy prints repeat themselves, and a pattern is no finger. */
    private static List<Row> apart(FingerRecord.View view, UnaryOperator<double[]> encode) {
        List<Row> rows = new ArrayList<>();
        for (Cylinders.Cylinder cylinder : Cylinders.of(view)) {
            double[] row = encode.apply(cylinder.values());
            double length = Math.sqrt(dot(row, row));
            if (length > 0) {
                rows.add(new Row(scaled(row, length), cylinder.turn()));
            }
        }
        require(rows.size());
        List<Row> kept = rows.stream()
                .filter(row -> rows.stream().filter(other -> other != row && dot(row.unit(), other.unit()) > REPEATED).count() <= 1)
                .toList();
        if (kept.size() < LEAST_ROWS) {
            throw new FingerException("FINGER_REPEATS", "the surroundings of the minutiae repeat each other, which no finger's do");
        }
        return kept;
    }

    static double dot(double[] one, double[] other) {
        double sum = 0;
        for (int place = 0; place < one.length; place++) {
            sum += one[place] * other[place];
        }
        return sum;
    }

    static double[] scaled(double[] vector, double length) {
        double[] unit = new double[vector.length];
        for (int place = 0; place < unit.length; place++) {
            unit[place] = vector[place] / length;
        }
        return unit;
    }

    private static Template vector(FingerRecord.View view) {
        double[][] mean = new double[SURROUNDINGS][SURROUNDINGS];
        List<Row> rows = apart(view, OfVector::row);
        for (Row row : rows) {
            for (int i = 0; i < SURROUNDINGS; i++) {
                for (int j = 0; j < SURROUNDINGS; j++) {
                    mean[i][j] += row.unit()[i] * row.unit()[j] / rows.size();
                }
            }
        }
        double[] folded = SecondOrder.folded(mean);
        byte[] found = Template.roundToBand(scaled(folded, Math.sqrt(dot(folded, folded))));
        if (found == null) {
            throw new FingerException("FINGER_SPARSE", "the finger's vector is too sparse to be quantised");
        }
        return Template.of(1, found);
    }
}
