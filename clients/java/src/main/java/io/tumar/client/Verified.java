package io.tumar.client;

import java.util.UUID;

/**
 * A comparison was made. A non-match is an answer.
 *
 * @param matched what came of it
 * @param receipts of the three nodes
 * @param requestId under which a person can ask for the uses of their data
 */
public record Verified(boolean matched, Receipts receipts, UUID requestId) {}
