package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import tumar.v1.Matching;

/** The client against three nodes that run: enrol, verify, search, lock, unlock, erase. */
@ExtendWith(Nodes.Running.class)
class NodesTest {
    private Desk desk;

    @BeforeEach
    void open(Nodes nodes) {
        desk = new Desk(nodes);
    }

    @AfterEach
    void close() {
        desk.close();
    }

    @Test
    void aPersonIsEnrolledToldFromAStrangerAndErased() {
        float[] own = Desk.face();
        List<int[]> finger = Desk.finger();
        Enrolled enrolled = desk.enroll(Desk.capture(own), Desk.rows(Desk.record(finger, 0)));
        assertTrue(desk.matches(Desk.rows(Desk.record(finger, 9))));
        assertFalse(desk.matches(Desk.rows(Desk.record(Desk.finger(), 0))));
        assertEquals(Outcome.ENROLLED, enrolled.receipts().outcome());
        assertTrue(enrolled.person().toText().matches("[0-9a-f]{64}"));
        assertTrue(desk.matches(Desk.like(own)));
        assertFalse(desk.matches(Desk.capture(Desk.face())));
        ErasureCertificate certificate = desk.client.erase(desk.bareToken("erasure", "erase"), desk.about("erasure"));
        ClientConfig config = desk.client.config();
        ErasureCertificate again = ErasureCertificate.fromJson(certificate.toJson());
        again.verify(config.nodes(), config.deployment());
        assertEquals(desk.subject, again.subject());
        ErasureCertificate other = ErasureCertificate.fromJson(certificate.toJson().replace(desk.subject, "somebody-else"));
        ReceiptNotTrusted error = assertThrows(ReceiptNotTrusted.class, () -> other.verify(config.nodes(), config.deployment()));
        assertEquals(ReceiptNotTrusted.Fault.SIGNATURE, error.fault());
        Refusal refusal = assertThrows(Refusal.class, () -> desk.matches(Desk.like(own)));
        assertEquals(Reason.SUBJECT_UNKNOWN, refusal.reason());
        assertEquals(Optional.of("A"), refusal.node());
    }

    @Test
    void aLockedPersonIsRefusedUntilUnlocked() {
        float[] own = Desk.face();
        desk.enroll(Desk.capture(own));
        assertEquals(Outcome.LOCKED, desk.client.lock(desk.bareToken("subject_lock", "lock"), desk.about("subject_lock")).outcome());
        assertEquals(Reason.SUBJECT_LOCKED, assertThrows(Refusal.class, () -> desk.matches(Desk.like(own))).reason());
        Target unlock = desk.about("subject_unlock");
        Refusal without = assertThrows(
                Refusal.class, () -> desk.client.unlock(desk.bareToken("subject_unlock", "unlock"), unlock));
        assertEquals(Reason.EVIDENCE_MISSING, without.reason());
        String token = desk.bareToken("subject_unlock", "unlock", "registry_check");
        assertEquals(Outcome.UNLOCKED, desk.client.unlock(token, unlock).outcome());
        assertTrue(desk.matches(Desk.like(own)));
    }

    @Test
    void aSearchThatTwoOfficersApprovedNamesThePerson(Nodes nodes) {
        float[] own = Desk.face();
        List<int[]> finger = Desk.finger();
        desk.enroll(Desk.capture(own), Desk.vector(Desk.record(finger, 0)));
        byte[] file = Framing.sha256(Framing.utf8("case 17"));
        Details details = Details.of("case_search", "search", Desk.BANK, Desk.GALLERY);
        Path keys = nodes.folder.resolve("officers");
        List<String> approvals = List.of(
                new Approval("aida", "fraud-analyst", "dev", details, file).approve(SigningKey.read(keys.resolve("aida.pk8"))),
                new Approval("bolat", "privacy-officer", "dev", details, file).approve(SigningKey.read(keys.resolve("bolat.pk8"))));
        List<Integer> told = new ArrayList<>();
        Search search = new Search(Desk.GALLERY, "case_search", file, approvals, 8);
        for (Capture probe : List.of(Desk.like(own), Desk.vector(Desk.record(finger, 6)))) {
            Searched found = desk.client.search(
                    desk.token("case_search", "search"), search, List.of(probe), Instant.now(), (done, blocks) -> told.add(blocks));
            assertEquals(List.of(desk.subject), found.candidates());
            assertFalse(found.truncated());
        }
        assertFalse(told.isEmpty());
        Search alone = new Search(Desk.GALLERY, "case_search", file, approvals.subList(0, 1), 8);
        Refusal refusal = assertThrows(
                Refusal.class, () -> desk.client.search(desk.token("case_search", "search"), alone, List.of(Desk.like(own))));
        assertEquals(Reason.APPROVALS_MISSING, refusal.reason());
    }

    @Test
    void theSameBytesGetTheSameReceiptsAndSealedAnewIsAnotherRequest() {
        float[] own = Desk.face();
        desk.enroll(Desk.capture(own));
        Target about = desk.about("cash_withdrawal");
        Prepared prepared = Prepared.fromBytes(
                desk.client.prepareVerification(about, List.of(Desk.like(own)), 5, Instant.now()).toBytes());
        Receipts first = desk.client.send(desk.token("cash_withdrawal", "verify"), prepared);
        // By another token, as after a crash.
        assertEquals(first, desk.client.send(desk.token("cash_withdrawal", "verify"), prepared));
        Prepared anew = desk.client.prepareVerification(about, List.of(Desk.like(own)), 5, Instant.now());
        Matching.VerifySubjectRequest message = ((Matching.VerifySubjectRequest) anew.message()).toBuilder()
                .setRequestId(prepared.requestId().toString()).build();
        Refusal reused = assertThrows(
                Refusal.class, () -> desk.client.send(desk.token("cash_withdrawal", "verify"), new Prepared(Call.VERIFY, message)));
        assertEquals(Reason.REQUEST_ID_REUSED, reused.reason());
        assertThrows(InputException.class, () -> desk.client.sendErasure("", prepared));
    }

    @Test
    void aRefusalSaysWhoAndWhere() {
        Capture own = Desk.capture(Desk.face());
        Target about = desk.about("cash_withdrawal");
        Refusal other = assertThrows(
                Refusal.class, () -> desk.client.verify(desk.token("card_activation", "verify"), about, List.of(own), 0));
        assertEquals(Reason.PURPOSE_NOT_GRANTED, other.reason());
        assertEquals(Optional.of("A"), other.node());
        Target nobody = new Target(Desk.GALLERY, "no such name", about.purpose());
        Refusal form = assertThrows(
                Refusal.class, () -> desk.client.verify(desk.token("cash_withdrawal", "verify"), nobody, List.of(own), 0));
        assertEquals(Reason.REQUEST_INVALID, form.reason());
        assertEquals(Optional.of("subject"), form.field());
        String token = desk.token("cash_withdrawal", "verify").replaceFirst("^[^.]+", "e30");
        Refusal claim = assertThrows(Refusal.class, () -> desk.client.verify(token, about, List.of(own), 0));
        assertTrue(claim.reason().name().startsWith("TOKEN_"), claim.code());
    }

    @Test
    void whatTheNodesDoNotServeIsNotSent() {
        Capture own = new Capture("no-model", Template.quantise(Desk.face()));
        assertThrows(InputException.class, () -> desk.enroll(own));
        Capture shape = new Capture("fr512", Template.quantise(Desk.face()));
        assertThrows(InputException.class, () -> desk.enroll(shape));
        assertThrows(InputException.class, () -> desk.enroll());
    }

    @Test
    void severalThreadsShareOneClient() {
        float[] own = Desk.face();
        desk.enroll(Desk.capture(own));
        List<CompletableFuture<Boolean>> tried = List.of(
                CompletableFuture.supplyAsync(() -> desk.matches(Desk.like(own))),
                CompletableFuture.supplyAsync(() -> desk.matches(Desk.like(own))),
                CompletableFuture.supplyAsync(() -> desk.matches(Desk.capture(Desk.face()))));
        assertEquals(List.of(true, true, false), tried.stream().map(CompletableFuture::join).toList());
    }

    @Test
    void anInterruptedCallEndsWithoutAnAnswer() {
        Target about = desk.about("erasure");
        String token = desk.bareToken("erasure", "erase");
        Thread.currentThread().interrupt();
        assertThrows(Unanswered.class, () -> desk.client.erase(token, about));
        assertTrue(Thread.interrupted());
    }

    @Test
    void whoeverIsNotPinnedIsNotBelieved(Nodes nodes, @TempDir Path folder) throws IOException {
        Path own = nodes.toml().getParent();
        String text = Files.readString(nodes.toml()).replace("\"../", "\"" + nodes.folder + "/").replace("proof.pk8", own + "/proof.pk8");
        Path toml = folder.resolve("client.toml");
        // B's certificate for A's address.
        Files.writeString(toml, text.replace("a/keys/tls.crt", "b/keys/tls.crt"));
        assertThrows(Unanswered.class, () -> Client.open(toml));
        // Another deployment than the pinned one.
        Files.writeString(toml, text.replace("deployment = \"dev\"", "deployment = \"prod\""));
        CommitteeNotTrusted error = assertThrows(CommitteeNotTrusted.class, () -> Client.open(toml));
        assertEquals(CommitteeNotTrusted.Fault.DEPLOYMENT, error.fault());
    }
}
