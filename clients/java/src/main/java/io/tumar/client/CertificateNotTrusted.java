package io.tumar.client;

import java.util.Locale;

/** A certificate of erasure that is none, or is of another deployment. What is wrong with its receipts is a {@link ReceiptNotTrusted}. */
public final class CertificateNotTrusted extends NotTrusted {
    private static final long serialVersionUID = 1;

    /** What is wrong with it. */
    public enum Fault {
        /** Not the members, or not the texts, of a certificate. */
        FORM,
        /** Of another deployment. */
        DEPLOYMENT;

        /** In lower case, as the conformance vectors have it. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Fault fault;

    CertificateNotTrusted(Fault fault, Throwable cause) {
        super("certificate not trusted: it is of " + (fault == Fault.DEPLOYMENT ? "another deployment" : "no form that is known"), cause);
        this.fault = fault;
    }

    CertificateNotTrusted(Fault fault) {
        this(fault, null);
    }

    /** What is wrong. */
    public Fault fault() {
        return fault;
    }
}
