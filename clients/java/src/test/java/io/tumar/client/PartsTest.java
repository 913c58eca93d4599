package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.Arrays;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What no vector holds: wiping, keys in files, what is refused before anything is sent. */
class PartsTest {
    private static float[] ramp() {
        float[] ramp = new float[64];
        for (int place = 0; place < ramp.length; place++) {
            ramp[place] = place - 31.5f;
        }
        return ramp;
    }

    @Test
    void whatIsWipedCanNotBeUsedByMistake() {
        Template template = Template.quantise(ramp());
        template.close();
        assertThrows(IllegalStateException.class, template::pack);
        PersonKey key = PersonKey.draw();
        key.close();
        assertThrows(IllegalStateException.class, () -> key.forNode(Party.A));
        assertThrows(IllegalStateException.class, key::toText);
    }

    @Test
    void sharesAreWipedAndDrawnAnew() {
        try (Template template = Template.quantise(ramp())) {
            Shares one = Shares.split(template);
            Shares other = Shares.split(template);
            assertFalse(Arrays.equals(one.of(Party.A), other.of(Party.A)));
            int half = template.columns() / 2;
            byte[] sum = new byte[half];
            for (Party party : Party.values()) {
                for (int place = 0; place < half; place++) {
                    sum[place] ^= one.of(party)[place];
                }
            }
            assertArrayEquals(template.pack(), sum);
            byte[] held = one.of(Party.B);
            one.close();
            assertArrayEquals(new byte[2 * half], held);
        }
    }

    @Test
    void widerNumbersMakeTheSameTemplate() {
        double[] wide = new double[64];
        for (int place = 0; place < wide.length; place++) {
            wide[place] = ramp()[place] + 1e-12;
        }
        assertArrayEquals(Template.quantise(ramp()).pack(), Template.quantise(wide).pack());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 63, 65, 514, 1026, 3072})
    void noModelHasSoManyComponents(int columns) {
        assertThrows(InputException.class, () -> Template.of(1, new byte[columns]));
    }

    @Test
    void keysAreReadInDerAndPem(@TempDir Path folder) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        byte[] der = generator.generateKeyPair().getPrivate().getEncoded();
        String pem = "-----BEGIN PRIVATE KEY-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END PRIVATE KEY-----\n";
        SigningKey one = SigningKey.read(Files.write(folder.resolve("key.pk8"), der));
        SigningKey other = SigningKey.read(Files.writeString(folder.resolve("key.pem"), pem));
        assertEquals("ES256", one.algorithm());
        assertEquals(one.thumbprint(), other.thumbprint());
        assertNotEquals(one.thumbprint(), SigningKey.generate().thumbprint());
        generator.initialize(new ECGenParameterSpec("secp384r1"));
        byte[] large = generator.generateKeyPair().getPrivate().getEncoded();
        assertThrows(InputException.class, () -> SigningKey.of(large));
        assertThrows(InputException.class, () -> SigningKey.of(Arrays.copyOf(der, der.length - 9)));
        assertThrows(InputException.class, () -> SigningKey.read(folder.resolve("none.pk8")));
    }

    @Test
    void anEnvelopeKeyThatIsNoneIsRefused() {
        // A coefficient of 4095 is not below ML-KEM's prime.
        byte[] key = new byte[1216];
        key[0] = (byte) 255;
        key[1] = 15;
        assertThrows(InputException.class, () -> EnvelopeKey.of(key));
        assertThrows(InputException.class, () -> EnvelopeKey.of(new byte[1215]));
    }

    @Test
    void whatWasKeptInAnotherFormIsNoRequest() {
        assertThrows(InputException.class, () -> Prepared.fromBytes(Framing.utf8("tumar python request v1 EraseSubject\n")));
        assertThrows(InputException.class, () -> Prepared.fromBytes(Framing.utf8("tumar java request v1 EraseSubject\n\u0001")));
        assertThrows(InputException.class, () -> Prepared.fromBytes(new byte[0]));
    }

    @ParameterizedTest
    @ValueSource(strings = {"deployment", "base", "proof_key", "certificate", "identity", "log_key", "party"})
    void aConfigurationWithoutAKeyIsRefused(String key, @TempDir Path folder) throws IOException {
        Path own = Vectors.FOLDER.resolve("client");
        for (String file : new String[] {"tls.crt", "proof.pem"}) {
            Files.copy(own.resolve(file), folder.resolve(file));
        }
        String whole = Files.readString(own.resolve("client.toml"));
        Path toml = folder.resolve("client.toml");
        Files.writeString(toml, whole);
        assertEquals(Vectors.config().client(), ClientConfig.read(toml).client());
        Files.writeString(toml, whole.replaceFirst("(?m)^" + key + " = .*\n", ""));
        InputException error = assertThrows(InputException.class, () -> ClientConfig.read(toml));
        assertTrue(error.getMessage().contains(key), error.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"a\":1,\"a\":1}", "{a:1}", "{} {}", "[1,]", "{\"a\":01}", "", "'a'"})
    void whatIsNotJsonIsRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> Json.parse(text));
    }
}
