//! Templates that no terminal made: what an attacker sends, for evaluation to try.

use super::{SEGMENT, Shape, Template};

impl Template {
    /// From components that somebody made up, if nodes would take them: -8..=7 each, and every row's squared length in its band; of
    /// a long vector the whole in the band, and no segment above it.
    #[must_use]
    pub fn crafted(shape: Shape, components: Box<[i8]>) -> Option<Self> {
        let (lower, upper) = shape.band();
        let length = |part: &[i8]| part.iter().map(|&x| u32::from(x.unsigned_abs()).pow(2)).sum::<u32>();
        let within = components.len() == shape.components()
            && components.iter().all(|x| (-8..=7).contains(x))
            && components.chunks_exact(shape.columns()).all(|row| {
                (u32::from(lower)..=u32::from(upper)).contains(&length(row))
                    && row.chunks(SEGMENT).all(|segment| length(segment) <= u32::from(upper))
            });
        within.then_some(Self { shape, components })
    }

    /// The components, row after row: for evaluation, which has nothing to hide from itself.
    #[must_use]
    pub fn components(&self) -> &[i8] {
        &self.components
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::ROW;

    #[test]
    fn only_what_nodes_take_can_be_crafted() {
        let shape = Shape::vector(64).unwrap();
        // 6 x 64 within 2 %: 377 to 391.
        let with = |components: &[i8]| {
            let mut all = vec![0; 64];
            all[..components.len()].copy_from_slice(components);
            Template::crafted(shape, all.into()).is_some()
        };
        assert!(with(&[-8, -8, -8, -8, -8, -8]) && with(&[7, 7, 7, 7, 7, 7, 7, 6]));
        assert!(!with(&[-8, -8, -8, -8, -8, -8, 3]) && !with(&[8, 8, 8, 8, 8, 8]) && !with(&[7, 7, 7, 7, 7, 7, 7, 7]));
        assert!(Template::crafted(shape, vec![-8; 6].into()).is_none());
        let rows = |last: i8| {
            let mut rows = vec![0; 4 * ROW];
            // 22 times 49 is 1078, 21 times 1029.
            rows.chunks_exact_mut(ROW).for_each(|row| row[..22].fill(7));
            rows[3 * ROW] = last;
            Template::crafted(Shape::set(4).unwrap(), rows.into()).is_some()
        };
        assert_eq!([rows(7), rows(0)], [true, false]);
    }
}
