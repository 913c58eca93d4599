package io.tumar.client;

/**
 * A person is enrolled.
 *
 * @param person their key: give it to them, and keep none
 * @param receipts of the three nodes
 */
public record Enrolled(PersonKey person, Receipts receipts) {}
