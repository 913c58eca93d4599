package io.tumar.client;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Reads ISO/IEC 19794-2:2005 and ANSI/INCITS 378-2004 records; the first fault from a record's start is told. */
final class FingerRecord {
    private static final int MOST_BYTES = 65_535;
    private static final int MAGIC = 0x464d5200;
    private static final int VERSION = 0x20323000;

    /** As it stands in a record; the angle in the standard's unit, counter-clockwise from the right. */
    record Minutia(int x, int y, int angle, int quality) {}

    /** One capture of one finger. By ANSI an angle is 2 degrees a unit, and not 360/256. Resolutions are in pixels per centimetre. */
    record View(int position, int number, boolean ansi, int across, int down, List<Minutia> minutiae) {}

    private final ByteBuffer data;

    private FingerRecord(byte[] record) {
        this.data = ByteBuffer.wrap(record);
    }

    static List<View> read(byte[] record) {
        if (record.length > MOST_BYTES) {
            throw new FingerException("RECORD_TOO_LARGE", "the record is longer than " + MOST_BYTES + " bytes");
        }
        return new FingerRecord(record).views();
    }

    private List<View> views() {
        require(four() == MAGIC, "RECORD_MAGIC", "these bytes are no finger minutiae record");
        require(four() == VERSION, "RECORD_VERSION", "the record's version is not 20");
        int declared = two();
        boolean ansi = declared != 0;
        if (!ansi) {
            declared = two();
            if (declared == 0) {
                // The long form of ANSI 378: its upper half was zero.
                ansi = true;
                declared = two();
            }
        }
        require(declared == data.limit(), "RECORD_LENGTH", "the record says that it has " + declared + " bytes, but has " + data.limit());
        if (ansi) {
            four();
        }
        // Equipment, width and height.
        two();
        two();
        two();
        int across = two();
        int down = two();
        require(across != 0 && down != 0, "RECORD_RESOLUTION", "the record gives a resolution of zero");
        int count = one();
        one();
        require(count != 0, "RECORD_NO_VIEWS", "the record has no view");
        List<View> views = new ArrayList<>();
        for (int view = 0; view < count; view++) {
            views.add(view(ansi, across, down));
        }
        require(!data.hasRemaining(), "RECORD_TRAILING", "the record's views end at byte " + data.position() + ", before its end");
        return views;
    }

    private View view(boolean ansi, int across, int down) {
        int position = one();
        int kind = one();
        one();
        int count = one();
        require(position <= 10, "RECORD_POSITION", position + " is not the position of a finger");
        List<Minutia> minutiae = new ArrayList<>();
        for (int minutia = 0; minutia < count; minutia++) {
            need(6);
            Minutia read = new Minutia(two() & 0x3fff, two() & 0x3fff, one(), one());
            require(!ansi || read.angle() < 180, "RECORD_ANGLE", read.angle() + " times two degrees is not an angle below 360 degrees");
            minutiae.add(read);
        }
        int extended = two();
        need(extended);
        data.position(data.position() + extended);
        return new View(position, kind >> 4, ansi, across, down, List.copyOf(minutiae));
    }

    private static void require(boolean holds, String reason, String message) {
        if (!holds) {
            throw new FingerException(reason, message);
        }
    }

    private void need(int bytes) {
        require(data.remaining() >= bytes, "RECORD_TRUNCATED", "the record ends within a field, at byte " + data.position());
    }

    private int one() {
        need(1);
        return data.get() & 255;
    }

    private int two() {
        need(2);
        return data.getShort() & 65_535;
    }

    private int four() {
        need(4);
        return data.getInt();
    }
}
