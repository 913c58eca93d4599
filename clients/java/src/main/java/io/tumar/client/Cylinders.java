package io.tumar.client;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** What stands around each minutia: docs/clients.md, "Fingers". */
final class Cylinders {
    static final int VALUES = 480;
    private static final double RADIUS = 85;
    private static final double SIDE = 17;
    private static final int CELLS_ACROSS = 10;
    private static final int DIRECTIONS = 6;
    private static final double STEP = Math.PI / 3;
    private static final double SIGMA = 28.0 / 3;
    private static final double SIGMA_DIRECTION = 2 * Math.PI / 9;
    private static final double REACH = 3 * SIGMA;
    private static final double MIDDLE = 0.01;
    private static final double STEEPNESS = 400;
    private static final int LEAST_VALID_CELLS = 60;
    private static final int LEAST_NEIGHBOURS = 2;

    /** A minutia at 500 dpi with y up; `turn` is its direction in 256ths of a turn. */
    private record Mark(Hull.Point place, double direction, int turn) {}

    /** The values of one, and the direction of its minutia in 256ths of a turn. */
    record Cylinder(double[] values, int turn) {}

    private final List<Mark> marks = new ArrayList<>();

    private Cylinders(FingerRecord.View view) {
        double across = 500 / (view.across() * 2.54);
        double down = 500 / (view.down() * 2.54);
        int steps = view.ansi() ? 180 : 256;
        // Best first; the sort keeps equals in the record's order.
        List<FingerRecord.Minutia> best = new ArrayList<>(view.minutiae());
        best.sort(Comparator.comparingInt(FingerRecord.Minutia::quality).reversed());
        for (FingerRecord.Minutia minutia : best) {
            int turn = view.ansi() ? (minutia.angle() * 256 + 90) / 180 : minutia.angle();
            Hull.Point place = new Hull.Point(minutia.x() * across, -(minutia.y() * down));
            marks.add(new Mark(place, minutia.angle() * (2 * Math.PI) / steps, turn));
        }
    }

    /** Of each minutia that has enough of the finger around it. */
    static List<Cylinder> of(FingerRecord.View view) {
        Cylinders all = new Cylinders(view);
        List<Cylinder> made = new ArrayList<>();
        if (all.marks.size() < 3) {
            return made;
        }
        Hull hull = new Hull(all.marks.stream().map(Mark::place).toList());
        for (Mark own : all.marks) {
            double[] values = all.values(own, hull);
            if (values != null) {
                made.add(new Cylinder(values, own.turn()));
            }
        }
        return made;
    }

    private double[] values(Mark own, Hull hull) {
        List<Mark> others = marks.stream().filter(mark -> mark != own).toList();
        long neighbours = others.stream()
                .filter(mark -> Math.hypot(mark.place().x() - own.place().x(), mark.place().y() - own.place().y()) <= RADIUS + REACH)
                .count();
        if (neighbours < LEAST_NEIGHBOURS) {
            return null;
        }
        double[][] shares = others.stream().map(other -> shares(own, other)).toArray(double[][]::new);
        double[] values = new double[VALUES];
        int cell = 0;
        int valid = 0;
        for (int i = 0; i < CELLS_ACROSS; i++) {
            for (int j = 0; j < CELLS_ACROSS; j++) {
                double u = (i - 4.5) * SIDE;
                double v = (j - 4.5) * SIDE;
                if (u * u + v * v > RADIUS * RADIUS) {
                    continue;
                }
                Hull.Point place = placed(own, u, v);
                if (hull.holds(place)) {
                    valid++;
                    fill(values, cell * DIRECTIONS, place, others, shares);
                }
                cell++;
            }
        }
        return valid < LEAST_VALID_CELLS ? null : values;
    }

    private static Hull.Point placed(Mark own, double u, double v) {
        double sine = Math.sin(own.direction());
        double cosine = Math.cos(own.direction());
        return new Hull.Point(own.place().x() + cosine * u - sine * v, own.place().y() + sine * u + cosine * v);
    }

    /** How much of another minutia's direction falls to each of the six. */
    private static double[] shares(Mark own, Mark other) {
        double turned = wrap(own.direction() - other.direction());
        double root = SIGMA_DIRECTION * Math.sqrt(2);
        double[] shares = new double[DIRECTIONS];
        for (int k = 0; k < DIRECTIONS; k++) {
            double off = wrap(-Math.PI + (k + 0.5) * STEP - turned);
            shares[k] = 0.5 * (Erf.of((off + STEP / 2) / root) - Erf.of((off - STEP / 2) / root));
        }
        return shares;
    }

    private static void fill(double[] values, int at, Hull.Point place, List<Mark> others, double[][] shares) {
        double[] sums = new double[DIRECTIONS];
        for (int other = 0; other < shares.length; other++) {
            double x = others.get(other).place().x() - place.x();
            double y = others.get(other).place().y() - place.y();
            double squared = x * x + y * y;
            if (squared > REACH * REACH) {
                continue;
            }
            double weight = Math.exp(-squared / (2 * SIGMA * SIGMA)) / (SIGMA * Math.sqrt(2 * Math.PI));
            for (int k = 0; k < DIRECTIONS; k++) {
                sums[k] += weight * shares[other][k];
            }
        }
        for (int k = 0; k < DIRECTIONS; k++) {
            values[at + k] = 1 / (1 + Math.exp(-STEEPNESS * (sums[k] - MIDDLE)));
        }
    }

    /** To -pi..pi. */
    private static double wrap(double angle) {
        double turns = (angle + Math.PI) % (2 * Math.PI);
        return (turns < 0 ? turns + 2 * Math.PI : turns) - Math.PI;
    }
}
