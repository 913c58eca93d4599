package io.tumar.client;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlInvalidTypeException;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlTable;

/**
 * Whom a client calls, whom it believes, and which key it proves with.
 *
 * @param deployment name of the installation
 * @param relyingParty the bank, {@code banks/b17}
 * @param client the {@code client_id} of its tokens
 * @param address the leader, {@code host:port}
 * @param serverName the name in the leader's certificate
 * @param base what proofs say of the leader's address, {@code https://HOST[:PORT]}
 * @param certificate PEM: what the leader's certificate must be, or lead to
 * @param proofKey the key that tokens are bound to
 * @param nodes the pinned keys of A, B and C, in this order
 */
public record ClientConfig(
        String deployment,
        String relyingParty,
        String client,
        String address,
        String serverName,
        String base,
        String certificate,
        SigningKey proofKey,
        List<NodePin> nodes) {
    /** InputException unless A, B and C are pinned. */
    public ClientConfig {
        nodes = List.copyOf(nodes);
        if (!nodes.stream().map(NodePin::party).toList().equals(List.of(Party.values()))) {
            throw new InputException("the nodes A, B and C must be pinned, in this order");
        }
    }

    /** Reads {@code client.toml} and the files it names, which are relative to its folder. InputException for what is no such file. */
    public static ClientConfig read(Path path) {
        try {
            TomlParseResult file = Toml.parse(path);
            if (file.hasErrors()) {
                throw new InputException(file.errors().get(0).toString());
            }
            List<NodePin> pins = new ArrayList<>();
            TomlArray tables = file.getArrayOrEmpty("node");
            for (int place = 0; place < tables.size(); place++) {
                pins.add(pin(tables.getTable(place)));
            }
            Path folder = path.toAbsolutePath().getParent();
            return new ClientConfig(
                    text(file, "deployment"), text(file, "relying_party"), text(file, "client"), text(file, "address"),
                    text(file, "server_name"), text(file, "base"), Files.readString(folder.resolve(text(file, "certificate"))),
                    SigningKey.read(folder.resolve(text(file, "proof_key"))), pins);
        } catch (IOException | InputException | TomlInvalidTypeException error) {
            throw new InputException(path + ": " + error.getMessage(), error);
        }
    }

    /** The same, of a path in words. */
    public static ClientConfig read(String path) {
        return read(Path.of(path));
    }

    private static NodePin pin(TomlTable node) {
        String letter = text(node, "party");
        for (Party party : Party.values()) {
            if (party.name().equals(letter)) {
                return new NodePin(party, text(node, "identity"), VerifierKey.parse(text(node, "log_key")));
            }
        }
        throw new InputException("a node's party is A, B or C");
    }

    private static String text(TomlTable table, String key) {
        String value = table.getString(key);
        if (value == null) {
            throw new InputException("the key " + key + " is missing");
        }
        return value;
    }
}
