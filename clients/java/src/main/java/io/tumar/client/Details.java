package io.tumar.client;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one token allows: the one element of its {@code authorization_details} (RFC 9396).
 *
 * @param purpose one of the policy's
 * @param actions {@code enroll}, {@code verify}, {@code erase}, {@code lock}, {@code unlock}, {@code search}, ...
 * @param relyingParty the bank
 * @param galleries of the bank
 * @param modalities {@code face}, {@code finger}; empty where nothing is compared
 * @param maxUses 1 to 1000
 * @param legalBasis null for none
 */
public record Details(
        String purpose,
        List<String> actions,
        String relyingParty,
        List<String> galleries,
        List<String> modalities,
        int maxUses,
        String legalBasis) {
    private static final String TYPE = "urn:tumar:match:1";

    /** The lists are copied. */
    public Details {
        actions = List.copyOf(actions);
        galleries = List.copyOf(galleries);
        modalities = List.copyOf(modalities);
    }

    /** One action in one gallery, for faces and fingers, once. */
    public static Details of(String purpose, String action, String relyingParty, String gallery) {
        return new Details(purpose, List.of(action), relyingParty, List.of(gallery), List.of("face", "finger"), 1, null);
    }

    /** The same for these modalities. */
    public Details withModalities(String... only) {
        return new Details(purpose, actions, relyingParty, galleries, List.of(only), maxUses, legalBasis);
    }

    /** The same for so many uses. */
    public Details withMaxUses(int uses) {
        return new Details(purpose, actions, relyingParty, galleries, modalities, uses, legalBasis);
    }

    /** The element. The order of its members says nothing. */
    Map<String, Object> toJson() {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("type", TYPE);
        members.put("purpose", purpose);
        members.put("actions", actions);
        members.put("relying_party", relyingParty);
        members.put("galleries", galleries);
        members.put("modalities", modalities);
        members.put("max_uses", maxUses);
        if (legalBasis != null) {
            members.put("legal_basis", legalBasis);
        }
        return members;
    }

    /** Seconds that nodes take a token with these for. */
    int longestLife() {
        if (actions.equals(List.of("read_log"))) {
            return 3600;
        }
        return actions.contains("search") ? 120 : 300;
    }
}
