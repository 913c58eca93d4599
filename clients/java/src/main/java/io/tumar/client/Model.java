package io.tumar.client;

/**
 * An extractor that the nodes serve. By the leader's word alone: a false one leads to a refusal, not to a disclosure.
 *
 * @param id as requests name it
 * @param modality what it works on
 * @param isRows whether its templates are sets of rows, not vectors
 * @param dimension components of a vector, or of each row
 */
public record Model(String id, Modality modality, boolean isRows, int dimension) {
    /** Whether the model makes templates of this shape. */
    boolean takes(Template template) {
        return template.columns() == dimension && template.rows() > 1 == isRows;
    }
}
