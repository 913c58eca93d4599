package io.tumar.client;

import java.util.List;

/**
 * A gallery was searched.
 *
 * @param candidates who matches, in the order of their enrolment
 * @param truncated there may be more
 * @param receipts of the three nodes
 */
public record Searched(List<String> candidates, boolean truncated, Receipts receipts) {}
