package io.tumar.client;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.math.BigInteger;

/** JSON as RFC 8259 has it: nothing lenient, and no member twice, of which two readers could take different ones. */
final class Json {
    // Without this, Gson writes `=` and `+` of base64 as escapes.
    private static final Gson COMPACT = new GsonBuilder().disableHtmlEscaping().create();
    private static final Gson INDENTED = new GsonBuilder().disableHtmlEscaping().setPrettyPrinting().create();

    private Json() {}

    static String compact(Object value) {
        return COMPACT.toJson(value);
    }

    static String indented(JsonElement value) {
        return INDENTED.toJson(value);
    }

    /** IllegalArgumentException for what is no JSON. */
    static JsonElement parse(String text) {
        try (JsonReader reader = new JsonReader(new StringReader(text))) {
            reader.setStrictness(Strictness.STRICT);
            JsonElement value = read(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw new IllegalArgumentException("more than one JSON value");
            }
            return value;
        } catch (IOException | IllegalStateException | JsonParseException error) {
            throw new IllegalArgumentException("not JSON", error);
        }
    }

    private static JsonElement read(JsonReader reader) throws IOException {
        switch (reader.peek()) {
            case BEGIN_OBJECT:
                return readObject(reader);
            case BEGIN_ARRAY:
                JsonArray array = new JsonArray();
                reader.beginArray();
                while (reader.hasNext()) {
                    array.add(read(reader));
                }
                reader.endArray();
                return array;
            case STRING:
                return new JsonPrimitive(reader.nextString());
            case NUMBER:
                return new JsonPrimitive(number(reader.nextString()));
            case BOOLEAN:
                return new JsonPrimitive(reader.nextBoolean());
            default:
                reader.nextNull();
                return JsonNull.INSTANCE;
        }
    }

    /** A BigInteger exactly where the text is an integer's: 4.0 is none. */
    private static Number number(String text) {
        return text.chars().allMatch(digit -> digit == '-' || Character.isDigit(digit)) ? new BigInteger(text) : new BigDecimal(text);
    }

    private static JsonObject readObject(JsonReader reader) throws IOException {
        JsonObject object = new JsonObject();
        reader.beginObject();
        while (reader.hasNext()) {
            String name = reader.nextName();
            if (object.has(name)) {
                throw new IllegalArgumentException("a member twice");
            }
            object.add(name, read(reader));
        }
        reader.endObject();
        return object;
    }

    /** A text. IllegalArgumentException for anything else. */
    static String text(JsonElement value) {
        if (value == null || !value.isJsonPrimitive() || !value.getAsJsonPrimitive().isString()) {
            throw new IllegalArgumentException("not a text");
        }
        return value.getAsString();
    }

    static String text(JsonObject object, String name) {
        return text(object.get(name));
    }

    /** An object. IllegalArgumentException for anything else. */
    static JsonObject object(JsonElement value) {
        if (!value.isJsonObject()) {
            throw new IllegalArgumentException("not an object");
        }
        return value.getAsJsonObject();
    }

    /** A list. IllegalArgumentException for anything else. */
    static JsonArray list(JsonObject object, String name) {
        JsonElement value = object.get(name);
        if (value == null || !value.isJsonArray()) {
            throw new IllegalArgumentException("not a list");
        }
        return value.getAsJsonArray();
    }

    /** An integer of 64 bits without a sign. IllegalArgumentException for anything else. */
    static long unsigned(JsonObject object, String name) {
        JsonElement value = object.get(name);
        if (value != null && value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber()
                && value.getAsNumber() instanceof BigInteger number && number.signum() >= 0 && number.bitLength() <= 64) {
            return number.longValue();
        }
        throw new IllegalArgumentException("not an integer of 64 bits");
    }
}
