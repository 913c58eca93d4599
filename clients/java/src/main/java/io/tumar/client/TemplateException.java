package io.tumar.client;

/** No template can be made of this embedding. */
public final class TemplateException extends InputException {
    private static final long serialVersionUID = 1;

    /** Why not. */
    public enum Fault {
        /** A component is infinite or no number. */
        NOT_FINITE("a component of the embedding is not finite"),
        /** All components are zero. */
        ZERO("the embedding is zero"),
        /** Too few components are not zero. */
        SPARSE("the embedding is too sparse to be quantised"),
        /** No model makes embeddings of so many components. */
        DIMENSION("no model makes embeddings of so many components");

        private final String sentence;

        Fault(String sentence) {
            this.sentence = sentence;
        }
    }

    private final Fault fault;

    TemplateException(Fault fault) {
        super(fault.sentence);
        this.fault = fault;
    }

    /** Why not. */
    public Fault fault() {
        return fault;
    }
}
