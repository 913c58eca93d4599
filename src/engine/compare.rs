//! What probes are compared with, and how that becomes one bit: references out of the gallery, thresholds and weights out of the
//! table of models, the way of joining out of the policy. All of it is public but the references, and the same at all three nodes.

use crate::gallery::Copied;
use crate::name::Modality;
use crate::protocol::{FusionRule, ModalityInput, ReferenceInput, VerifyInput};
use crate::request::Sample;
use crate::share::InputShares;
use crate::template::model::{Fmr, Fusion, Models};
use crate::template::{Levels, Shape};
use crate::token::Decision;
use crate::token::purpose::DecisionRule;
use crate::wire::peer::v1::relayed::Request;
use crate::wire::{envelopes_of, samples_of};

/// A request's probes, each with all the references that it is compared with, as they stood when the request was admitted.
pub(super) struct Comparison {
    /// This node's two summands of each.
    probes: Vec<InputShares>,
    /// For each probe: this node's shares of the subject's references of its model.
    references: Vec<Vec<Reference>>,
    /// How the probes make one bit.
    joint: FusionRule,
}

/// One reference, and what a score against it must reach.
struct Reference {
    copied: Copied,
    threshold: i16,
    weight: u16,
    levels: Levels,
}

impl Reference {
    fn as_input(&self) -> ReferenceInput<'_> {
        let Self { copied: Copied { shape, words }, threshold, weight, levels } = self;
        ReferenceInput { shape: *shape, words, threshold: *threshold, weight: *weight, levels: *levels }
    }
}

impl Comparison {
    /// What a request's probes are compared with, of the references that are held for each sample. `None` for what the table of models
    /// has no rule for.
    pub(super) fn new(
        models: &Models,
        decides: Option<DecisionRule>,
        samples: &[Sample],
        (probes, held): (Vec<InputShares>, Vec<Vec<Copied>>),
    ) -> Option<Self> {
        let shapes: Vec<Shape> = probes.iter().map(InputShares::shape).collect();
        let rule = Rule::of(models, decides?, samples)?;
        let references = rule.apply(samples, &shapes, held)?;
        Some(Self { probes, references, joint: rule.joint() })
    }

    /// As a run takes it in: once, since the probes go into it.
    pub(super) fn as_input(&mut self) -> VerifyInput<'_> {
        let probes = std::mem::take(&mut self.probes);
        let sides = probes.into_iter().zip(&self.references);
        let sides = sides.map(|(probe, references)| ModalityInput {
            probe,
            references: references.iter().map(Reference::as_input).collect(),
        });
        VerifyInput { sides: sides.collect(), joint: self.joint }
    }
}

/// What each sample's dot of a search is multiplied with, and what the sum must reach. `None` for what the table of models does not have.
pub(super) fn search_bounds(
    models: &Models,
    rate: Fmr,
    samples: &[Sample],
    probes: &[InputShares],
) -> Option<(Vec<u16>, i16)> {
    if let ([sample], [probe]) = (samples, probes) {
        let model = models.find(&sample.model)?;
        return Some((vec![1], model.threshold(rate, probe.shape(), probe.shape())));
    }
    let model = |of| samples.iter().find(|sample| sample.modality == of).map(|sample| &sample.model);
    let fusion = models.fusion(model(Modality::Face)?, model(Modality::Finger)?)?;
    let weight = |(sample, probe): (&Sample, &InputShares)| match sample.modality {
        Modality::Face => fusion.face_weight(),
        Modality::Finger => fusion.finger_weight(probe.shape(), probe.shape()),
    };
    Some((samples.iter().zip(probes).map(weight).collect(), fusion.threshold(rate)))
}

/// The policy's rule for a request, with what the table of models has for it.
struct Rule<'a> {
    models: &'a Models,
    decides: DecisionRule,
    /// Where face and finger make one score.
    fusion: Option<&'a Fusion>,
}

impl<'a> Rule<'a> {
    /// `None` for a weighted sum of models that the table has no weights for.
    fn of(models: &'a Models, decides: DecisionRule, samples: &[Sample]) -> Option<Self> {
        let model = |of| samples.iter().find(|sample| sample.modality == of).map(|sample| &sample.model);
        let fusion = match decides.by {
            Decision::Fused => Some(models.fusion(model(Modality::Face)?, model(Modality::Finger)?)?),
            Decision::Face | Decision::Finger | Decision::Any | Decision::Both => None,
        };
        Some(Self { models, decides, fusion })
    }

    fn joint(&self) -> FusionRule {
        match (self.fusion, self.decides.by) {
            (Some(fusion), _) => FusionRule::Sum(fusion.threshold(self.decides.fmr)),
            (None, Decision::Both) => FusionRule::All,
            (None, _) => FusionRule::Any,
        }
    }

    /// What a score against each reference must reach, and what it weighs; `None` for a model that is not served.
    fn apply(&self, samples: &[Sample], probes: &[Shape], held: Vec<Vec<Copied>>) -> Option<Vec<Vec<Reference>>> {
        let of_sample = |((sample, &probe), held): ((&Sample, &Shape), Vec<Copied>)| {
            let model = self.models.find(&sample.model)?;
            let reference = |copied: Copied| Reference {
                threshold: model.threshold(self.decides.fmr, probe, copied.shape),
                weight: self.fusion.map_or(1, |fusion| match sample.modality {
                    Modality::Face => fusion.face_weight(),
                    Modality::Finger => fusion.finger_weight(probe, copied.shape),
                }),
                levels: model.levels(),
                copied,
            };
            Some(held.into_iter().map(reference).collect())
        };
        samples.iter().zip(probes).zip(held).map(of_sample).collect()
    }
}

/// What a request, or a batch, costs the links between the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Of envelopes, which the leader relays.
    bytes: usize,
    /// Pairs of rows that are compared, and rows that are checked.
    lanes: usize,
}

impl Load {
    /// Most bytes of envelopes in a batch: half of the largest frame between nodes.
    const MOST_BYTES: usize = crate::peer::MAX_FRAME / 2;
    /// Most lanes of a batch, so that it takes no node long: all rounds together send at most 26 bytes a lane, and the largest single
    /// request has 51 240.
    const MOST_LANES: usize = 200_000;

    /// A request that compares so many pairs of rows, and checks so many.
    pub(super) fn of_lanes(request: &Request, lanes: usize) -> Self {
        Self { lanes, ..Self::of_envelopes(request) }
    }

    /// A search: eight to a batch, so that they share one pass over the gallery in the registers of the processor.
    pub(super) fn of_search(request: &Request) -> Self {
        Self::of_lanes(request, Self::MOST_LANES / 8)
    }

    /// What is known of it before anything is checked.
    pub(super) fn of_envelopes(request: &Request) -> Self {
        let envelopes = samples_of(request).iter().flat_map(envelopes_of);
        Self { bytes: envelopes.map(<[u8]>::len).sum(), lanes: 0 }
    }

    /// What it takes up while it waits, with token, proof and names.
    pub(super) fn kib(self) -> u32 {
        u32::try_from(16 + self.bytes / 1024).unwrap_or(u32::MAX)
    }

    /// Both together; `None` if that is more than a batch takes. A single request may always go: it is below both bounds.
    pub(super) fn with(self, other: Self) -> Option<Self> {
        let sum = Self { bytes: self.bytes + other.bytes, lanes: self.lanes + other.lanes };
        let fits = sum.bytes <= Self::MOST_BYTES && sum.lanes <= Self::MOST_LANES;
        (fits || self == Self::default()).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn load(bytes: usize, lanes: usize) -> Load {
        Load { bytes, lanes }
    }

    #[test]
    fn a_batch_is_full_when_either_bound_is_reached_and_a_single_request_always_goes() {
        let (bytes, lanes) = (Load::MOST_BYTES, Load::MOST_LANES);
        assert_eq!(load(1, 1).with(load(bytes - 1, lanes - 1)), Some(load(bytes, lanes)));
        assert_eq!(load(1, 1).with(load(bytes, 0)), None);
        assert_eq!(load(1, 1).with(load(0, lanes)), None);
        assert_eq!(Load::default().with(load(bytes + 1, lanes + 1)), Some(load(bytes + 1, lanes + 1)));
    }

    fn samples(names: &[(Modality, &str)]) -> Vec<Sample> {
        let sample = |&(modality, model): &(Modality, &str)| Sample {
            modality,
            model: model.parse().unwrap(),
            envelopes: [[0; 32]; 3],
        };
        names.iter().map(sample).collect()
    }

    #[test]
    fn thresholds_and_weights_follow_the_shapes_and_the_order_of_samples_does_not_matter() {
        use zeroize::Zeroizing;
        let models = Models::built_in();
        let (face, finger) = (Shape::vector(512).unwrap(), Shape::set(38).unwrap());
        let copied = |shape: Shape| Copied { shape, words: Zeroizing::new(vec![0; shape.components()]) };
        let faces = (Modality::Face, "fr512");
        let fingers = (Modality::Finger, "leader-rows-3");
        let fusion = models.fusion(&"fr512".parse().unwrap(), &"leader-rows-3".parse().unwrap()).unwrap();
        let rows = models.find(&"leader-rows-3".parse().unwrap()).unwrap();
        for (by, joint) in [
            (Decision::Any, FusionRule::Any),
            (Decision::Both, FusionRule::All),
            (Decision::Fused, FusionRule::Sum(fusion.threshold(Fmr::E4))),
        ] {
            let decides = DecisionRule { by, fmr: Fmr::E4 };
            let (small, large) = (Shape::set(9).unwrap(), Shape::set(40).unwrap());
            let weight = |reference| if by == Decision::Fused { fusion.finger_weight(finger, reference) } else { 1 };
            let expected_face = vec![(1250, if by == Decision::Fused { fusion.face_weight() } else { 1 })];
            let expected_finger = [small, large]
                .map(|reference| (rows.threshold(Fmr::E4, finger, reference), weight(reference)))
                .to_vec();
            assert_ne!(expected_finger[0].0, expected_finger[1].0, "the test can tell them apart");
            for turned in [false, true] {
                let mut of_samples = vec![faces, fingers];
                let mut shapes = vec![face, finger];
                let mut held = vec![vec![copied(face)], vec![copied(small), copied(large)]];
                let mut expected = vec![expected_face.clone(), expected_finger.clone()];
                if turned {
                    of_samples.reverse();
                    shapes.reverse();
                    held.reverse();
                    expected.reverse();
                }
                let samples = samples(&of_samples);
                let rule = Rule::of(&models, decides, &samples).unwrap();
                let references = rule.apply(&samples, &shapes, held).unwrap();
                let numbers = |references: &Vec<Reference>| {
                    references.iter().map(|one| (one.threshold, one.weight)).collect::<Vec<_>>()
                };
                assert_eq!(references.iter().map(numbers).collect::<Vec<_>>(), expected, "{by:?} {turned}");
                assert_eq!(rule.joint(), joint);
            }
        }
        let fused = DecisionRule { by: Decision::Fused, fmr: Fmr::E4 };
        let unknown = samples(&[(Modality::Finger, "leader-rows-3"), (Modality::Face, "nobody")]);
        assert!(Rule::of(&models, fused, &unknown).is_none());
    }
}
