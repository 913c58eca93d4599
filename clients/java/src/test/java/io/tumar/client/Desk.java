package io.tumar.client;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.stream.Stream;

/** A bank's desk: a client, an issuer of tokens, and a person. */
final class Desk implements AutoCloseable {
    static final String GALLERY = "banks/b17/customers";
    static final String BANK = "banks/b17";
    static final String ISSUER = "https://issuer.b17.dev.tumar.internal";
    private static final Random DICE = new Random();

    final Client client;
    final SigningKey issuer;
    final String subject = "java-" + UUID.randomUUID();

    Desk(Nodes nodes) {
        client = Client.open(nodes.toml());
        issuer = SigningKey.read(nodes.folder.resolve("issuer").resolve("issuer.pk8"));
    }

    String token(String purpose, String action, String... amr) {
        return client.claims(ISSUER, Details.of(purpose, action, BANK, GALLERY), amr).mint(issuer);
    }

    /** Where nothing is compared. */
    String bareToken(String purpose, String action, String... amr) {
        return client.claims(ISSUER, Details.of(purpose, action, BANK, GALLERY).withModalities(), amr).mint(issuer);
    }

    Target about(String purpose) {
        return new Target(GALLERY, subject, purpose);
    }

    Enrolled enroll(Capture... references) {
        return client.enroll(token("enrolment", "enroll", "registry_check"), about("enrolment"), List.of(references));
    }

    boolean matches(Capture... probes) {
        return client.verify(token("cash_withdrawal", "verify"), about("cash_withdrawal"), List.of(probes), 40_000).matched();
    }

    /** An embedding, as an extractor makes them. */
    static float[] face() {
        float[] made = new float[128];
        for (int place = 0; place < made.length; place++) {
            made[place] = (float) DICE.nextGaussian();
        }
        return made;
    }

    static Capture capture(float[] face) {
        return new Capture("sface128", Template.quantise(face));
    }

    /** Another capture of the same face. */
    static Capture like(float[] face) {
        float[] made = face.clone();
        for (int place = 0; place < made.length; place++) {
            made[place] += (float) (0.6 * DICE.nextGaussian());
        }
        return capture(made);
    }

    /** Forty minutiae: x, y and angle. */
    static List<int[]> finger() {
        return Stream.generate(() -> new int[] {100 + DICE.nextInt(300), 100 + DICE.nextInt(400), DICE.nextInt(256)}).limit(40).toList();
    }

    /** An ISO/IEC 19794-2:2005 record of a finger, put down so many pixels aside. */
    static byte[] record(List<int[]> minutiae, int aside) {
        ByteBuffer made = ByteBuffer.allocate(30 + 6 * minutiae.size());
        made.put(Framing.utf8("FMR\0 20\0")).putInt(made.capacity());
        made.putShort((short) 0).putShort((short) 500).putShort((short) 600).putShort((short) 197).putShort((short) 197);
        made.put((byte) 1).put((byte) 0);
        made.put((byte) 0).put((byte) 0).put((byte) 80).put((byte) minutiae.size());
        for (int[] minutia : minutiae) {
            made.putShort((short) (1 << 14 | minutia[0] + aside)).putShort((short) (minutia[1] - aside)).put((byte) minutia[2]).put((byte) 80);
        }
        return made.putShort((short) 0).array();
    }

    static Capture rows(byte[] record) {
        return new Capture("leader-rows-3", Fingers.rows(record));
    }

    static Capture vector(byte[] record) {
        return new Capture("leader-fixed-1", Fingers.vector(record));
    }

    @Override
    public void close() {
        client.close();
    }
}
