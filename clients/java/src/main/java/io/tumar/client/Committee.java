package io.tumar.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tumar.v1.Committee.GetCommitteeResponse;
import tumar.v1.Committee.Node;

/** Who the nodes are, by their own signed word, held against the keys that are pinned. */
public final class Committee {
    private final List<EnvelopeKey> keys;
    private final long until;
    private final Map<String, Model> models;
    private final byte[] context;

    private Committee(List<EnvelopeKey> keys, long until, Map<String, Model> models, byte[] context) {
        this.keys = List.copyOf(keys);
        this.until = until;
        this.models = models;
        this.context = context;
    }

    /** CommitteeNotTrusted: the first fault that is found. */
    public static Committee check(GetCommitteeResponse answer, ClientConfig config) {
        if (!answer.getDeployment().equals(config.deployment())) {
            throw new CommitteeNotTrusted(CommitteeNotTrusted.Fault.DEPLOYMENT, null);
        }
        if (answer.getNodesCount() != config.nodes().size()) {
            throw new CommitteeNotTrusted(CommitteeNotTrusted.Fault.NODES, null);
        }
        byte[] context = answer.getNodes(0).getContextDigest().toByteArray();
        List<EnvelopeKey> keys = new ArrayList<>();
        long until = -1;
        for (NodePin pin : config.nodes()) {
            Node node = answer.getNodes(pin.party().ordinal());
            keys.add(key(node, pin, context, config.deployment()));
            long own = node.getEnvelopeKeys(0).getUntil();
            until = Long.compareUnsigned(own, until) < 0 ? own : until;
        }
        if (context.length != 32) {
            throw new CommitteeNotTrusted(CommitteeNotTrusted.Fault.CONTEXT, Party.A);
        }
        Map<String, Model> models = new LinkedHashMap<>();
        answer.getModelsList().forEach(model -> models.put(model.getId(), model(model)));
        return new Committee(keys, until, models, context);
    }

    private static EnvelopeKey key(Node node, NodePin pin, byte[] context, String deployment) {
        byte[] identity = pin.identityKey();
        boolean isPinned = node.getPartyValue() == pin.party().number() && Arrays.equals(node.getIdentityKey().toByteArray(), identity);
        require(isPinned && Ed25519.isSigned(identity, node.getSignature().toByteArray(), message(node, deployment)),
                CommitteeNotTrusted.Fault.SIGNATURE, pin);
        require(node.getLogKey().equals(pin.logKey().toString()), CommitteeNotTrusted.Fault.LOG_KEY, pin);
        require(node.getSuite().equals(EnvelopeKey.SUITE_NAME), CommitteeNotTrusted.Fault.SUITE, pin);
        require(Arrays.equals(node.getContextDigest().toByteArray(), context), CommitteeNotTrusted.Fault.CONTEXT, pin);
        require(node.getEnvelopeKeysCount() > 0, CommitteeNotTrusted.Fault.ENVELOPE_KEY, pin);
        tumar.v1.Committee.EnvelopeKey current = node.getEnvelopeKeys(0);
        try {
            EnvelopeKey key = EnvelopeKey.of(current.getPublicKey().toByteArray());
            require(Arrays.equals(key.id(), current.getId().toByteArray()), CommitteeNotTrusted.Fault.ENVELOPE_KEY, pin);
            return key;
        } catch (InputException error) {
            throw new CommitteeNotTrusted(CommitteeNotTrusted.Fault.ENVELOPE_KEY, pin.party(), error);
        }
    }

    private static void require(boolean holds, CommitteeNotTrusted.Fault fault, NodePin pin) {
        if (!holds) {
            throw new CommitteeNotTrusted(fault, pin.party());
        }
    }

    /** What a node signs of its keys. */
    static byte[] message(Node node, String deployment) {
        List<byte[]> fields = new ArrayList<>();
        fields.add(Framing.utf8("tumar node v2"));
        fields.add(Framing.utf8(deployment));
        fields.add(Framing.u32(node.getPartyValue()));
        fields.add(node.getIdentityKey().toByteArray());
        fields.add(node.getLogKeyBytes().toByteArray());
        node.getEnvelopeKeysList().forEach(key -> {
            fields.add(key.getId().toByteArray());
            fields.add(key.getPublicKey().toByteArray());
            fields.add(Framing.u64(key.getUntil()));
        });
        fields.add(node.getSuiteBytes().toByteArray());
        fields.add(node.getContextDigest().toByteArray());
        return Framing.framed(fields);
    }

    private static Model model(tumar.v1.Committee.Model model) {
        int encoding = model.getEncodingValue();
        if (model.getId().isEmpty() || encoding < 1 || encoding > 2) {
            throw new CommitteeNotTrusted(CommitteeNotTrusted.Fault.MODEL, null);
        }
        Modality modality = Modality.of(model.getModalityValue())
                .orElseThrow(() -> new CommitteeNotTrusted(CommitteeNotTrusted.Fault.MODEL, null));
        return new Model(model.getId(), modality, encoding == 2, model.getDimension());
    }

    /** The current key of A, B and C. */
    public List<EnvelopeKey> keys() {
        return keys;
    }

    /** Unix seconds until which all three are taken, unsigned. */
    public long until() {
        return until;
    }

    /** The extractors that the nodes serve. */
    public List<Model> models() {
        return List.copyOf(models.values());
    }

    /** SHA-256 over policy and models in force, the same at all three nodes. */
    public byte[] context() {
        return context.clone();
    }

    /** The model of a template. InputException where there is none of this name, or where it makes no templates of this shape. */
    Model model(String name, Template template) {
        Model model = models.get(name);
        if (model == null) {
            throw new InputException("the nodes serve no model " + name);
        }
        if (!model.takes(template)) {
            throw new InputException("the model " + name + " makes no templates of " + template.rows() + "x" + template.columns());
        }
        return model;
    }
}
