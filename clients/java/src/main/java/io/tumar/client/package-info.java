/** Tumar's client: enrol and verify faces and fingerprints that no server ever holds. The README has ten lines to begin with. */
package io.tumar.client;
