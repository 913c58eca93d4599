package io.tumar.client;

import com.google.protobuf.ByteString;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import tumar.v1.Matching;

/** Makes requests with a committee's keys. */
final class Sealer {
    private static final int MOST_REFERENCES = 32;
    private static final int MOST_PROBES = 2;

    private final ClientConfig config;
    private final Committee committee;

    Sealer(ClientConfig config, Committee committee) {
        this.config = config;
        this.committee = committee;
    }

    /** Takes 1 to 32 references in, all of them or none. */
    Prepared enroll(Target target, List<Capture> references, PersonKey person, Instant captured) {
        UUID id = UUID.randomUUID();
        int minute = minute(captured);
        Place place = new Place(Call.ENROLL, id, target.gallery(), target.subject(), target.purpose(), 0, minute);
        return new Prepared(Call.ENROLL, Matching.EnrollSubjectRequest.newBuilder()
                .setRequestId(id.toString())
                .setGallery(target.gallery())
                .setSubject(target.subject())
                .setPurpose(target.purpose())
                .addAllSamples(samples(place, references, MOST_REFERENCES, person))
                .setClient(config.client())
                .setCaptureMinute(minute)
                .build());
    }

    /** Compares one probe, or two of different modalities. */
    Prepared verify(Target target, List<Capture> probes, long amountKzt, Instant captured) {
        UUID id = UUID.randomUUID();
        int minute = minute(captured);
        Place place = new Place(Call.VERIFY, id, target.gallery(), target.subject(), target.purpose(), amountKzt, minute);
        return new Prepared(Call.VERIFY, Matching.VerifySubjectRequest.newBuilder()
                .setRequestId(id.toString())
                .setGallery(target.gallery())
                .setSubject(target.subject())
                .setPurpose(target.purpose())
                .setAmountKzt(amountKzt)
                .addAllSamples(samples(place, probes, MOST_PROBES, null))
                .setClient(config.client())
                .setCaptureMinute(minute)
                .build());
    }

    /** Compares one vector, or a face and a finger, with everybody in a gallery. */
    Prepared search(Search search, List<Capture> probes, Instant captured) {
        UUID id = UUID.randomUUID();
        int minute = minute(captured);
        Place place = new Place(Call.SEARCH, id, search.gallery(), "", search.purpose(), 0, minute);
        return new Prepared(Call.SEARCH, Matching.SearchGalleryRequest.newBuilder()
                .setRequestId(id.toString())
                .setGallery(search.gallery())
                .setPurpose(search.purpose())
                .setCaseDigest(ByteString.copyFrom(search.caseDigest()))
                .setMaxCandidates(search.maxCandidates())
                .addAllSamples(samples(place, probes, MOST_PROBES, null))
                .addAllApprovals(search.approvals())
                .setClient(config.client())
                .setCaptureMinute(minute)
                .build());
    }

    /** An erasure, which needs no committee. */
    static Prepared erase(ClientConfig config, Target target) {
        return new Prepared(Call.ERASE, Matching.EraseSubjectRequest.newBuilder()
                .setRequestId(UUID.randomUUID().toString())
                .setGallery(target.gallery())
                .setSubject(target.subject())
                .setPurpose(target.purpose())
                .setClient(config.client())
                .build());
    }

    /** A lock. */
    static Prepared lock(ClientConfig config, Target target) {
        return new Prepared(Call.LOCK, Matching.LockSubjectRequest.newBuilder()
                .setRequestId(UUID.randomUUID().toString())
                .setGallery(target.gallery())
                .setSubject(target.subject())
                .setPurpose(target.purpose())
                .setClient(config.client())
                .build());
    }

    /** The end of a lock. */
    static Prepared unlock(ClientConfig config, Target target) {
        return new Prepared(Call.UNLOCK, Matching.UnlockSubjectRequest.newBuilder()
                .setRequestId(UUID.randomUUID().toString())
                .setGallery(target.gallery())
                .setSubject(target.subject())
                .setPurpose(target.purpose())
                .setClient(config.client())
                .build());
    }

    private static int minute(Instant captured) {
        return Math.toIntExact(Math.floorDiv(captured.getEpochSecond(), 60));
    }

    /** What all envelopes of a request are bound to. */
    private record Place(Call call, UUID id, String gallery, String subject, String purpose, long amountKzt, int minute) {}

    private List<Matching.Sample> samples(Place place, List<Capture> captures, int most, PersonKey person) {
        if (captures.isEmpty() || captures.size() > most) {
            throw new InputException(place.call().method() + " takes 1 to " + most + " samples");
        }
        List<Matching.Sample> samples = new ArrayList<>();
        for (Capture capture : captures) {
            // The nodes look for their keys in the first sample of an enrolment.
            samples.add(sample(place, capture, samples.isEmpty() ? person : null));
        }
        return samples;
    }

    private Matching.Sample sample(Place place, Capture capture, PersonKey person) {
        Model model = committee.model(capture.model(), capture.template());
        Binding binding = new Binding(
                config.deployment(), config.relyingParty(), config.client(), place.call().path(), place.purpose(), place.id(),
                place.gallery(), place.subject(), model.modality(), model.id(), place.amountKzt(), place.minute());
        SealedSample sealed = SealedSample.seal(capture.template(), committee.keys(), binding, person);
        return Matching.Sample.newBuilder()
                .setModalityValue(model.modality().number())
                .setModel(model.id())
                .setEnvelopeA(ByteString.copyFrom(sealed.of(Party.A)))
                .setEnvelopeB(ByteString.copyFrom(sealed.of(Party.B)))
                .setEnvelopeC(ByteString.copyFrom(sealed.of(Party.C)))
                .build();
    }
}
