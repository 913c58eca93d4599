package io.tumar.client;

import com.google.protobuf.Message;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;
import tumar.v1.Matching;
import tumar.v1.ReceiptOuterClass;

/**
 * The client of banks and terminals: split, seal, prove, call, and check three receipts. It holds one connection to the leader, and may be
 * used by several threads.
 *
 * <p>All calls throw {@link InputException}, {@link Refusal}, {@link Unanswered} and {@link NotTrusted}. An interrupted thread's call ends
 * with {@link Unanswered}.
 */
public final class Client implements AutoCloseable {
    private static final long REFRESH_SECONDS = 600;

    private final ClientConfig config;
    private final Wire wire;
    private volatile Committee committee;

    /** Connects at the first call. */
    public Client(ClientConfig config) {
        this.config = config;
        this.wire = new Wire(config);
    }

    /** By a {@code client.toml}. Asks who the nodes are, and checks all three against the pinned keys. */
    public static Client open(Path path) {
        Client client = new Client(ClientConfig.read(path));
        try {
            client.refresh();
            return client;
        } catch (TumarException error) {
            client.close();
            throw error;
        }
    }

    /** The same, of a path in words. */
    public static Client open(String path) {
        return open(Path.of(path));
    }

    /** Whom it calls and believes. */
    public ClientConfig config() {
        return config;
    }

    /** Hangs up. */
    @Override
    public void close() {
        wire.close();
    }

    /** What a token for this client says; {@link TokenClaims#mint} signs it with an issuer's key. */
    public TokenClaims claims(String issuer, Details details, String... amr) {
        return new TokenClaims(
                issuer, config.deployment(), config.client(), config.proofKey().thumbprint(), details, List.of(amr), null);
    }

    /** Asks anew who the nodes are. */
    public Committee refresh() {
        Committee checked = Committee.check(wire.committee(), config);
        committee = checked;
        return checked;
    }

    /** The committee in use, or a newer one where its keys are about to end. */
    public Committee committee() {
        Committee current = committee;
        long soon = Instant.now().getEpochSecond() + REFRESH_SECONDS;
        return current == null || Long.compareUnsigned(soon, current.until()) >= 0 ? refresh() : current;
    }

    /** The request of {@link #enroll}, to be kept before it is sent. {@code captured} is when the person stood there. */
    public Prepared prepareEnrolment(Target target, List<Capture> references, PersonKey person, Instant captured) {
        return new Sealer(config, committee()).enroll(target, references, person, captured);
    }

    /**
     * Enrols a person with 1 to 32 references, all of them or none. The key is for the person, and kept by nobody else.
     *
     * <p>Who must not lose a key with a connection draws it, prepares, keeps both, and sends: {@link #prepareEnrolment}, {@link #send}.
     */
    public Enrolled enroll(String token, Target target, List<Capture> references, Instant captured) {
        PersonKey person = PersonKey.draw();
        try {
            return new Enrolled(person, sealed(() -> prepareEnrolment(target, references, person, captured), one -> send(token, one)));
        } catch (RuntimeException error) {
            person.close();
            throw error;
        }
    }

    /** The same of references that were captured just now. */
    public Enrolled enroll(String token, Target target, List<Capture> references) {
        return enroll(token, target, references, Instant.now());
    }

    /** The request of {@link #verify}. */
    public Prepared prepareVerification(Target target, List<Capture> probes, long amountKzt, Instant captured) {
        return new Sealer(config, committee()).verify(target, probes, amountKzt, captured);
    }

    /** Compares one probe, or two of different modalities, with a person's references. A non-match is an answer. */
    public Verified verify(String token, Target target, List<Capture> probes, long amountKzt, Instant captured) {
        return sealed(() -> prepareVerification(target, probes, amountKzt, captured), one -> sendVerification(token, one));
    }

    /** The same of probes that were captured just now; 0 for an amount where nothing is at stake. */
    public Verified verify(String token, Target target, List<Capture> probes, long amountKzt) {
        return verify(token, target, probes, amountKzt, Instant.now());
    }

    /** The request of {@link #search}. */
    public Prepared prepareSearch(Search search, List<Capture> probes, Instant captured) {
        return new Sealer(config, committee()).search(search, probes, captured);
    }

    /**
     * Compares one vector, or a face and a finger, with everybody in a gallery. Needs two officers' approvals. The watcher is told how many
     * blocks of the gallery are compared, and how many there are. To interrupt the thread ends the search at all three nodes.
     */
    public Searched search(String token, Search search, List<Capture> probes, Instant captured, BiConsumer<Integer, Integer> watch) {
        return sealed(() -> prepareSearch(search, probes, captured), one -> sendSearch(token, one, watch));
    }

    /** The same of probes that were captured just now, watched by nobody. */
    public Searched search(String token, Search search, List<Capture> probes) {
        return search(token, search, probes, Instant.now(), (done, blocks) -> {});
    }

    /** The request of {@link #erase}. */
    public Prepared prepareErasure(Target target) {
        return Sealer.erase(config, target);
    }

    /** Destroys a person's references at all three nodes. */
    public ErasureCertificate erase(String token, Target target) {
        return sendErasure(token, prepareErasure(target));
    }

    /** The request of {@link #lock}. */
    public Prepared prepareLock(Target target) {
        return Sealer.lock(config, target);
    }

    /** Stops every use of a person until unlocked. */
    public Receipts lock(String token, Target target) {
        return send(token, prepareLock(target));
    }

    /** The request of {@link #unlock}. */
    public Prepared prepareUnlock(Target target) {
        return Sealer.unlock(config, target);
    }

    /** Ends a lock, and forgets the non-matches counted so far. */
    public Receipts unlock(String token, Target target) {
        return send(token, prepareUnlock(target));
    }

    /**
     * Proves and calls. After a lost connection send the same again: what was answered is answered alike, and is no second use. The same as
     * the three below, of any call, for whoever wants the receipts alone.
     */
    public Receipts send(String token, Prepared prepared) {
        return switch (prepared.call()) {
            case VERIFY -> sendVerification(token, prepared).receipts();
            case SEARCH -> sendSearch(token, prepared, (done, blocks) -> {}).receipts();
            default -> Receipts.check(receipts(ask(token, prepared)), prepared, config);
        };
    }

    /** {@link #send}, of a verification. The decision must be the one that the nodes signed. */
    public Verified sendVerification(String token, Prepared prepared) {
        require(prepared, Call.VERIFY);
        Matching.VerifySubjectResponse answer = (Matching.VerifySubjectResponse) ask(token, prepared);
        Receipts receipts = Receipts.check(answer.getReceiptsList(), prepared, config);
        Matching.Decision signed =
                receipts.outcome() == Outcome.MATCH ? Matching.Decision.DECISION_MATCH : Matching.Decision.DECISION_NO_MATCH;
        if (answer.getDecision() != signed) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.DECISION, null);
        }
        return new Verified(receipts.outcome() == Outcome.MATCH, receipts, prepared.requestId());
    }

    /** {@link #send}, of an erasure. */
    public ErasureCertificate sendErasure(String token, Prepared prepared) {
        require(prepared, Call.ERASE);
        return ErasureCertificate.of(config.deployment(), (Matching.EraseSubjectRequest) prepared.message(), send(token, prepared));
    }

    /** {@link #send}, of a search. The names must be those that the nodes signed. */
    public Searched sendSearch(String token, Prepared prepared, BiConsumer<Integer, Integer> watch) {
        require(prepared, Call.SEARCH);
        Matching.SearchResult result = wire.search(prepared, token, proof(token, prepared), watch);
        if (result == null) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.COUNT, null);
        }
        Receipts receipts = Receipts.check(result.getReceiptsList(), prepared, config);
        List<String> candidates = List.copyOf(result.getCandidatesList());
        if (!Arrays.equals(receipts.of(Party.A).found(), Receipts.foundDigest(candidates, result.getTruncated()))) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.DECISION, null);
        }
        return new Searched(candidates, result.getTruncated(), receipts);
    }

    private static void require(Prepared prepared, Call call) {
        if (prepared.call() != call) {
            throw new InputException("the request is for " + prepared.call().method());
        }
    }

    private Message ask(String token, Prepared prepared) {
        return wire.ask(prepared, token, proof(token, prepared));
    }

    private String proof(String token, Prepared prepared) {
        return new Proof(config.base() + prepared.call().path(), token, prepared.transcript()).sign(config.proofKey());
    }

    private static List<ReceiptOuterClass.Receipt> receipts(Message answer) {
        if (answer instanceof Matching.EnrollSubjectResponse enrolled) {
            return enrolled.getReceiptsList();
        } else if (answer instanceof Matching.EraseSubjectResponse erased) {
            return erased.getReceiptsList();
        } else if (answer instanceof Matching.LockSubjectResponse locked) {
            return locked.getReceiptsList();
        }
        return ((Matching.UnlockSubjectResponse) answer).getReceiptsList();
    }

    /** Seals and sends; once more with new keys where a node has just changed its own, which spends nothing. */
    private <T> T sealed(Supplier<Prepared> make, Function<Prepared, T> send) {
        try {
            return send.apply(make.get());
        } catch (Refusal refusal) {
            if (refusal.reason() != Reason.ENVELOPE_KEY_UNKNOWN) {
                throw refusal;
            }
        }
        refresh();
        return send.apply(make.get());
    }
}
