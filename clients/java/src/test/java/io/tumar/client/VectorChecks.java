package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bouncycastle.crypto.AsymmetricCipherKeyPair;
import org.junit.jupiter.api.function.Executable;

/** What a file of templates, shares, envelopes and transcripts must say; each check throws where it does not. */
final class VectorChecks {
    private static final HexFormat HEX = HexFormat.of();

    private VectorChecks() {}

    static void templates(JsonObject file) {
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            String name = Vectors.text(vector, "name");
            Template template = Template.quantise(Vectors.embedding(vector));
            assertEquals(Vectors.text(vector, "packed"), HEX.formatHex(template.pack()), name);
            String[] numbers = Vectors.text(vector, "components").split(" ");
            byte[] components = new byte[numbers.length];
            for (int place = 0; place < components.length; place++) {
                components[place] = Byte.parseByte(numbers[place]);
            }
            assertArrayEquals(template.pack(), Template.of(1, components).pack(), name);
            Shares shares = Shares.split(template, Vectors.hex(vector, "masks"));
            for (Party party : Party.values()) {
                String expected = Vectors.text(vector.get("plaintexts").getAsJsonObject(), party.name());
                assertEquals(expected, HEX.formatHex(shares.of(party)), name);
            }
        }
        for (JsonObject refused : Vectors.objects(file.get("refused"))) {
            TemplateException error = assertThrows(TemplateException.class, () -> Template.quantise(Vectors.embedding(refused)));
            assertEquals(Vectors.text(refused, "fault"), error.fault().name().toLowerCase(Locale.ROOT));
        }
    }

    static void envelopes(JsonObject file) throws Exception {
        List<EnvelopeKey> keys = new ArrayList<>();
        for (Party party : Party.values()) {
            JsonObject key = file.get("keys").getAsJsonObject().get(party.name()).getAsJsonObject();
            keys.add(EnvelopeKey.of(Vectors.hex(key, "public")));
            assertEquals(Vectors.text(key, "id"), HEX.formatHex(keys.get(party.ordinal()).id()));
        }
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            for (String member : List.of("deployment", "relying_party", "client")) {
                vector.add(member, file.get(member));
            }
            Binding binding = Conform.binding(vector);
            String person = Vectors.textOrNull(vector, "person_key");
            PersonKey key = person == null ? null : PersonKey.parse(person);
            Template template = binding.modality() == Modality.FINGER ? Template.of(4, new byte[560]) : Template.of(1, new byte[128]);
            SealedSample own = SealedSample.seal(template, keys, binding, key);
            for (Party party : Party.values()) {
                envelope(file, vector, party, binding, own, key);
            }
        }
    }

    private static void envelope(JsonObject file, JsonObject vector, Party party, Binding binding, SealedSample own, PersonKey person)
            throws Exception {
        String name = Vectors.text(vector, "name") + ", " + party;
        JsonObject sealed = vector.get("sealed").getAsJsonObject().get(party.name()).getAsJsonObject();
        JsonObject key = file.get("keys").getAsJsonObject().get(party.name()).getAsJsonObject();
        byte[] info = binding.info(party, Vectors.hex(key, "id"));
        byte[] plaintext = Vectors.hex(sealed, "plaintext");
        assertEquals(Vectors.text(sealed, "info"), HEX.formatHex(info), name);
        assertArrayEquals(plaintext, open(Vectors.hex(key, "seed"), Vectors.hex(sealed, "envelope"), Vectors.hex(key, "id"), info), name);
        byte[] mine = open(Vectors.hex(key, "seed"), own.of(party), Vectors.hex(key, "id"), info);
        assertEquals(plaintext.length, mine.length, name);
        if (person != null) {
            assertArrayEquals(person.forNode(party), Arrays.copyOfRange(mine, mine.length - 32, mine.length), name);
            assertArrayEquals(person.forNode(party), Arrays.copyOfRange(plaintext, plaintext.length - 32, plaintext.length), name);
        }
    }

    private static byte[] open(byte[] seed, byte[] envelope, byte[] keyId, byte[] info) throws Exception {
        assertArrayEquals(keyId, Arrays.copyOf(envelope, 8));
        AsymmetricCipherKeyPair pair = EnvelopeKey.suite().deserializePrivateKey(seed, null);
        byte[] encapsulated = Arrays.copyOfRange(envelope, 8, 8 + 1120);
        return EnvelopeKey.suite().setupBaseR(encapsulated, pair, info)
                .open(new byte[0], Arrays.copyOfRange(envelope, 8 + 1120, envelope.length));
    }

    static void transcripts(JsonObject file) {
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            Prepared prepared = Conform.prepared(vector);
            List<String> shown = new ArrayList<>();
            for (JsonElement field : vector.get("fields").getAsJsonArray()) {
                shown.add(field.isJsonObject() ? Vectors.text(field.getAsJsonObject(), "hex") : HEX.formatHex(Framing.utf8(Json.text(field))));
            }
            List<byte[]> fields = Transcript.fields(prepared.call(), prepared.message());
            assertEquals(shown, fields.stream().map(HEX::formatHex).toList());
            assertEquals(Vectors.text(vector, "bytes"), HEX.formatHex(Framing.framed(fields)));
            assertEquals(Vectors.text(vector, "hash"), HEX.formatHex(prepared.transcript()));
            assertEquals(prepared, Prepared.fromBytes(prepared.toBytes()));
        }
    }

    static void person(JsonObject file) {
        PersonKey key = PersonKey.parse(Vectors.text(file, "file"));
        assertEquals(Vectors.text(file, "file").strip(), key.toText());
        for (Party party : Party.values()) {
            String expected = Vectors.text(file.get("nodes").getAsJsonObject(), party.name());
            assertEquals(expected, HEX.formatHex(key.forNode(party)));
        }
        for (Map.Entry<String, JsonElement> node : file.get("handles").getAsJsonObject().entrySet()) {
            assertTrue(node.getValue().getAsJsonObject().size() > 0);
            node.getValue().getAsJsonObject().entrySet().forEach(handle -> {
                byte[] own = key.handle(Party.valueOf(node.getKey()), Long.parseUnsignedLong(handle.getKey()));
                assertEquals(Json.text(handle.getValue()), HEX.formatHex(own));
            });
        }
    }

    static void fingers(JsonObject file) {
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            String name = Vectors.text(vector, "name");
            byte[] record = Vectors.hex(vector, "record");
            if (vector.has("reason")) {
                for (Executable encode : List.<Executable>of(() -> Fingers.rows(record), () -> Fingers.vector(record))) {
                    assertEquals(Vectors.text(vector, "reason"), assertThrows(FingerException.class, encode, name).reason(), name);
                }
                continue;
            }
            Template rows = Fingers.rows(record);
            assertEquals(vector.get("rows").getAsInt(), rows.rows(), name);
            assertEquals(Vectors.text(vector, "set"), HEX.formatHex(rows.pack()), name);
            assertEquals(Vectors.text(vector, "vector"), HEX.formatHex(Fingers.vector(record).pack()), name);
        }
    }
}
