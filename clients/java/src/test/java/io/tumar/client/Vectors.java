package io.tumar.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** The conformance vectors, and their parts in Java's types. */
final class Vectors {
    static final Path REPOSITORY = Path.of("..", "..").toAbsolutePath().normalize();
    static final Path FOLDER = REPOSITORY.resolve("vectors");

    private Vectors() {}

    static JsonObject load(String name) {
        try {
            return Json.parse(Files.readString(FOLDER.resolve(name + ".json"))).getAsJsonObject();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(FOLDER)) {
            return files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith(".json"))
                    .map(name -> name.replace(".json", "")).sorted().toList();
        }
    }

    static ClientConfig config() {
        return ClientConfig.read(FOLDER.resolve("client").resolve("client.toml"));
    }

    static String text(JsonObject object, String name) {
        return Json.text(object, name);
    }

    /** Null where it says null. */
    static String textOrNull(JsonObject object, String name) {
        return object.get(name).isJsonNull() ? null : Json.text(object, name);
    }

    static byte[] hex(JsonObject object, String name) {
        return HexFormat.of().parseHex(Json.text(object, name));
    }

    static List<String> texts(JsonElement list) {
        List<String> made = new ArrayList<>();
        list.getAsJsonArray().forEach(element -> made.add(Json.text(element)));
        return made;
    }

    static List<JsonObject> objects(JsonElement list) {
        List<JsonObject> made = new ArrayList<>();
        JsonArray array = list.getAsJsonArray();
        array.forEach(element -> made.add(element.getAsJsonObject()));
        return made;
    }

    /** 32-bit floats, little-endian. */
    static float[] embedding(JsonObject object) {
        ByteBuffer raw = ByteBuffer.wrap(hex(object, "embedding")).order(ByteOrder.LITTLE_ENDIAN);
        float[] made = new float[raw.remaining() / 4];
        raw.asFloatBuffer().get(made);
        return made;
    }

    /** A template of packed nibbles: a vector, as no vector is as long as a row's multiple. */
    static Template unpack(byte[] packed) {
        byte[] components = new byte[2 * packed.length];
        for (int place = 0; place < packed.length; place++) {
            components[2 * place] = (byte) ((byte) (packed[place] << 4) >> 4);
            components[2 * place + 1] = (byte) (packed[place] >> 4);
        }
        return Template.of(1, components);
    }

    static Details details(JsonObject element) {
        if (!text(element, "type").equals("urn:tumar:match:1")) {
            throw new IllegalArgumentException("another type");
        }
        String basis = element.has("legal_basis") ? text(element, "legal_basis") : null;
        return new Details(
                text(element, "purpose"), texts(element.get("actions")), text(element, "relying_party"), texts(element.get("galleries")),
                texts(element.get("modalities")), element.get("max_uses").getAsInt(), basis);
    }
}
