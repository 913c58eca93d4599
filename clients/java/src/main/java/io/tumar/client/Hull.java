package io.tumar.client;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;

/** The convex hull of all minutiae: what is far outside of it is not known to be finger. */
final class Hull {
    private static final double MARGIN = 50;
    // A side of two equal corners has no length to divide by.
    private static final double LEAST_SIDE = 1e-12;

    /** Pixels at 500 dpi, y up. */
    record Point(double x, double y) {}

    private final List<Point> corners = new ArrayList<>();

    /** Corners are counter-clockwise. */
    Hull(List<Point> points) {
        TreeSet<Point> sorted = new TreeSet<>(Comparator.comparingDouble(Point::x).thenComparingDouble(Point::y));
        sorted.addAll(points);
        List<Point> ordered = new ArrayList<>(sorted);
        corners.addAll(half(ordered));
        Collections.reverse(ordered);
        corners.addAll(half(ordered));
        if (corners.isEmpty()) {
            corners.addAll(ordered);
        }
    }

    /** One chain (A. M. Andrew, 1979), without its last corner, with which the other begins. */
    private static List<Point> half(List<Point> points) {
        List<Point> chain = new ArrayList<>();
        for (Point point : points) {
            while (chain.size() > 1 && side(chain.get(chain.size() - 2), chain.get(chain.size() - 1), point) <= 0) {
                chain.remove(chain.size() - 1);
            }
            chain.add(point);
        }
        return chain.subList(0, chain.size() - 1);
    }

    /** Above 0 where the point is to the left of the way from a to b. */
    private static double side(Point a, Point b, Point point) {
        return (b.x() - a.x()) * (point.y() - a.y()) - (b.y() - a.y()) * (point.x() - a.x());
    }

    /** Inside, or at most the margin away. */
    boolean holds(Point point) {
        boolean inside = corners.size() > 2;
        boolean near = false;
        for (int place = 0; place < corners.size(); place++) {
            Point a = corners.get(place);
            Point b = corners.get((place + 1) % corners.size());
            inside &= side(a, b, point) >= 0;
            near |= squaredGap(a, b, point) <= MARGIN * MARGIN;
        }
        return inside || near;
    }

    private static double squaredGap(Point a, Point b, Point point) {
        double alongX = b.x() - a.x();
        double alongY = b.y() - a.y();
        double length = Math.max(alongX * alongX + alongY * alongY, LEAST_SIDE);
        double part = (alongX * (point.x() - a.x()) + alongY * (point.y() - a.y())) / length;
        double within = Math.min(Math.max(part, 0), 1);
        double gapX = point.x() - a.x() - within * alongX;
        double gapY = point.y() - a.y() - within * alongY;
        return gapX * gapX + gapY * gapY;
    }
}
