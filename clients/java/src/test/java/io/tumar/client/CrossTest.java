package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What this client enrols others verify, and the other way round; each checks the other's certificates. */
@ExtendWith(Nodes.Running.class)
class CrossTest {
    @TempDir
    Path folder;

    private Nodes nodes;
    private Desk desk;

    @BeforeEach
    void open(Nodes running) {
        nodes = running;
        desk = new Desk(running);
    }

    @AfterEach
    void close() {
        desk.close();
    }

    private static byte[] bytes(float[] face) {
        ByteBuffer raw = ByteBuffer.allocate(4 * face.length).order(ByteOrder.LITTLE_ENDIAN);
        raw.asFloatBuffer().put(face);
        return raw.array();
    }

    /** A file of numpy's, version 1.0, of which the command line reads embeddings. */
    private Path npy(float[] face) throws IOException {
        String head = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + face.length + ",), }";
        head += " ".repeat(117 - head.length()) + "\n";
        byte[] body = bytes(face);
        ByteBuffer whole = ByteBuffer.allocate(128 + body.length).order(ByteOrder.LITTLE_ENDIAN);
        whole.put("\u0093NUMPY\u0001\u0000".getBytes(StandardCharsets.ISO_8859_1)).putShort((short) 118);
        whole.put(head.getBytes(StandardCharsets.US_ASCII)).put(body);
        return Files.write(Files.createTempFile(folder, "face", ".npy"), whole.array());
    }

    /** The command line, about this desk's person. */
    private Commands tumar(String command, String token, String... more) {
        String[] head = {Nodes.tumar(), command, "--client", nodes.toml().toString(), "--token", "-", "--subject", desk.subject};
        String[] whole = Arrays.copyOf(head, head.length + more.length);
        System.arraycopy(more, 0, whole, head.length, more.length);
        return Commands.feed(folder, token, whole);
    }

    private Commands tumarVerifies(float[] face) throws IOException {
        String[] more = {"--face", npy(face).toString(), "--amount-kzt", "40000"};
        return tumar("verify", desk.token("cash_withdrawal", "verify"), more);
    }

    /** The Python client, about this desk's person. */
    private String python(String verb, String argument) {
        Path script = Path.of("src", "test", "python", "cross.py").toAbsolutePath();
        return Commands.feed(folder, argument, Commands.python(), script.toString(), nodes.folder.toString(), desk.subject, verb).expect(0).strip();
    }

    private static String hex(float[] face) {
        return HexFormat.of().formatHex(bytes(face));
    }

    @Test
    void theCommandLineVerifiesAndChecksTheCertificate() throws IOException {
        float[] own = Desk.face();
        List<int[]> finger = Desk.finger();
        desk.enroll(Desk.capture(own), Desk.rows(Desk.record(finger, 0)));
        Path record = Files.write(folder.resolve("probe.fmr"), Desk.record(finger, 7));
        tumar("verify", desk.token("cash_withdrawal", "verify"), "--finger", record.toString(), "--amount-kzt", "40000").expect(0);
        tumarVerifies(own).expect(0);
        tumarVerifies(Desk.face()).expect(1);
        ErasureCertificate certificate = desk.client.erase(desk.bareToken("erasure", "erase"), desk.about("erasure"));
        Path kept = Files.writeString(folder.resolve("certificate.json"), certificate.toJson());
        Commands.run(folder, Nodes.tumar(), "certificate", kept.toString(), "--client", nodes.toml().toString()).expect(0);
        Files.writeString(kept, certificate.toJson().replace(desk.subject, "another"));
        Commands.run(folder, Nodes.tumar(), "certificate", kept.toString(), "--client", nodes.toml().toString()).expect(5);
    }

    @Test
    void whatTheCommandLineEnrolledIsVerifiedAndItsCertificateChecked() throws IOException {
        float[] own = Desk.face();
        List<int[]> finger = Desk.finger();
        Path record = Files.write(folder.resolve("reference.fmr"), Desk.record(finger, 0));
        String[] references = {"--face", npy(own).toString(), "--finger", record.toString()};
        tumar("enroll", desk.token("enrolment", "enroll", "registry_check"), references).expect(0);
        assertTrue(desk.matches(Desk.like(own)));
        assertTrue(desk.matches(Desk.rows(Desk.record(finger, 5))));
        assertFalse(desk.matches(Desk.capture(Desk.face())));
        // The key that it gave out is read as this client's own are.
        try (PersonKey person = PersonKey.parse(Files.readString(folder.resolve(desk.subject + ".key")))) {
            assertEquals(32, person.forNode(Party.A).length);
        }
        Path kept = folder.resolve("certificate.json");
        tumar("erase", desk.bareToken("erasure", "erase"), "--out", kept.toString()).expect(0);
        ClientConfig config = desk.client.config();
        ErasureCertificate.fromJson(Files.readString(kept)).verify(config.nodes(), config.deployment());
    }

    @Test
    void thePythonClientVerifiesAndChecksTheCertificate() {
        float[] own = Desk.face();
        desk.enroll(Desk.capture(own));
        assertEquals("True", python("verify", hex(own)));
        assertEquals("False", python("verify", hex(Desk.face())));
        ErasureCertificate certificate = desk.client.erase(desk.bareToken("erasure", "erase"), desk.about("erasure"));
        assertEquals(desk.subject, python("check", certificate.toJson()));
    }

    @Test
    void whatThePythonClientEnrolledIsVerifiedAndItsCertificateChecked() {
        float[] own = Desk.face();
        assertEquals("enrolled", python("enroll", hex(own)));
        assertTrue(desk.matches(Desk.like(own)));
        assertFalse(desk.matches(Desk.capture(Desk.face())));
        ErasureCertificate certificate = ErasureCertificate.fromJson(python("erase", ""));
        ClientConfig config = desk.client.config();
        certificate.verify(config.nodes(), config.deployment());
        assertEquals(desk.subject, certificate.subject());
    }
}
