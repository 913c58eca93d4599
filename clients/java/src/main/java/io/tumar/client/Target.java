package io.tumar.client;

/**
 * Whom a call is about, and what for.
 *
 * @param gallery where the person is
 * @param subject the bank's handle for the person
 * @param purpose one of the policy's
 */
public record Target(String gallery, String subject, String purpose) {}
