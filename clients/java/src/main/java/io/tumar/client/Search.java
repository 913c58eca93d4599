package io.tumar.client;

import java.util.List;

/**
 * Whom a search looks for, and where.
 *
 * @param gallery where
 * @param purpose one of the policy's
 * @param caseDigest SHA-256 of the file of the case, 32 bytes
 * @param approvals two officers' {@link Approval#approve}
 * @param maxCandidates most people that may be named
 */
public record Search(String gallery, String purpose, byte[] caseDigest, List<String> approvals, int maxCandidates) {
    /** The list is copied. */
    public Search {
        approvals = List.copyOf(approvals);
    }
}
