//! Sets in which a wolf was planted: the search must find it, and its scores must be those of the plain oracle.

use super::*;
use crate::eval::thresholds::Source;
use crate::template::model::Models;
use crate::template::{DIRECTION, Levels, ROW, ROW_BAND, SURROUNDINGS};

fn model(id: &str) -> Model {
    Models::built_in().find(&id.parse().unwrap()).unwrap().clone()
}

/// About normal, with a deviation of 1.
fn normal(draw: &mut Draw) -> f64 {
    (0..12).map(|_| f64::from(u32::try_from(draw.word() >> 40).unwrap()) / f64::from(1 << 24)).sum::<f64>() - 6.0
}

fn direction(length: usize, draw: &mut Draw) -> Vec<f64> {
    let direction: Vec<f64> = (0..length).map(|_| normal(draw)).collect();
    let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
    direction.into_iter().map(|x| x / norm).collect()
}

/// A direction with this cosine to a given one.
fn near(centre: &[f64], cosine: f64, draw: &mut Draw) -> Vec<f64> {
    let (other, sine) = (direction(centre.len(), draw), (1.0 - cosine * cosine).sqrt());
    centre.iter().zip(other).map(|(centre, other)| cosine * centre + sine * other).collect()
}

fn crowd(people: usize, samples: usize) -> Crowd {
    let names: Vec<String> = (0..people * samples).map(|place| (place / samples).to_string()).collect();
    Crowd::of(names.iter().map(|name| ("", name.as_str())))
}

fn thresholds(model: &Model) -> Vec<Threshold> {
    let of = |(rate, target)| Threshold { target, source: Source::Table, level: table_level(model, rate) };
    Fmr::ALL.into_iter().zip([1e-3, 1e-4, 1e-5]).map(of).collect()
}

fn measure(model: &Model, crowd: &Crowd, templates: &[Template]) -> Wolves {
    let set = Labelled { model, crowd, templates: templates.iter().collect() };
    Wolves::measure(&set, thresholds(model), 1, 7, |_| ()).unwrap()
}

/// A row around this, pointing this way.
fn row(around: &[f64], way: u8) -> Vec<i8> {
    let mut row = round::round(around, crate::template::band(SURROUNDINGS)).unwrap();
    row.extend(crate::template::finger::direction(way));
    assert_eq!(row.len(), SURROUNDINGS + DIRECTION);
    row
}

#[test]
fn scores_are_those_of_the_plain_oracle() {
    let mut draw = Draw::from_seed(1);
    let centres: Vec<Vec<f64>> = (0..9).map(|_| direction(ROW, &mut draw)).collect();
    let sets: Vec<Template> = [4, 5, 12, 20, 33, 40, 40]
        .into_iter()
        .map(|rows| {
            let row = |draw: &mut Draw| round::round(&near(&centres[draw.below(9)], 0.8, draw), ROW_BAND).unwrap();
            let components: Vec<i8> = (0..rows).flat_map(|_| row(&mut draw)).collect();
            Template::crafted(Shape::set(rows).unwrap(), components.into()).unwrap()
        })
        .collect();
    let levels = Levels::default();
    let mut seen = std::collections::HashSet::new();
    for (one, other) in sets.iter().flat_map(|one| sets.iter().map(move |other| (one, other))) {
        let score = Quick::of(one, levels).score(&Quick::of(other, levels));
        assert_eq!(score, one.score_vartime(other));
        seen.insert(score);
    }
    assert!(seen.len() > 10, "{seen:?}");
    let shape = Shape::vector(1024).unwrap();
    let mut vector = || {
        let components = round::round(&direction(1024, &mut draw), shape.band()).unwrap();
        Template::crafted(shape, components.into()).unwrap()
    };
    let (one, other) = (vector(), vector());
    assert_eq!(Quick::of(&one, levels).score(&Quick::of(&other, levels)), one.score_vartime(&other));
}

#[test]
fn a_face_that_is_near_everybody_is_found_though_nobody_of_the_set_is() {
    let (model, mut draw) = (model("sface128"), Draw::from_seed(2));
    // Strangers have a cosine of about 0.3, below the threshold of 0.42; the one in the middle has 0.55 with each.
    let middle = direction(128, &mut draw);
    let shape = Shape::vector(128).unwrap();
    let faces: Vec<Template> = (0..40)
        .flat_map(|_| {
            let person = near(&middle, 0.55, &mut draw);
            let face = round::round(&person, shape.band()).unwrap();
            [face.clone(), face].map(|face| Template::crafted(shape, face.into()).unwrap())
        })
        .collect();
    let crowd = crowd(40, 2);
    let wolves = measure(&model, &crowd, &faces);
    let at = 1;
    assert!(wolves.own.shares[at].greatest < 0.2, "{:?}", wolves.own);
    assert!(wolves.all_crafted.shares[at].greatest > 0.9, "{:?}", wolves.all_crafted);
    let mean = wolves.crafted.iter().find(|pack| pack.kind == "the mean").unwrap();
    assert_eq!((mean.probes, mean.shares[at].median > 0.8), (2, true));
    // Nothing depends on how the work was spread.
    let again = measure(&model, &crowd, &faces);
    assert_eq!(serde_json::to_value(&wolves).unwrap(), serde_json::to_value(&again).unwrap());
    let (head, rows) = wolves.table();
    assert!(rows.len() == 2 + wolves.crafted.len() && rows.iter().all(|row| row.len() == head.len()));
}

#[test]
fn a_sum_is_reached_by_a_crafted_face_alone_where_its_weight_lets_it() {
    let (faces, fingers) = (model("sface128"), model("leader-fixed-1"));
    let mut draw = Draw::from_seed(5);
    let middle = direction(128, &mut draw);
    let template = |model: &Model, direction: &[f64]| {
        let shape = model.shape(model.dimension()).unwrap();
        Template::crafted(shape, round::round(direction, shape.band()).unwrap().into()).unwrap()
    };
    let of_faces: Vec<Template> = (0..40).map(|_| template(&faces, &near(&middle, 0.55, &mut draw))).collect();
    let of_fingers: Vec<Template> = (0..40).map(|_| template(&fingers, &direction(1024, &mut draw))).collect();
    let models = Models::built_in();
    // 8 times a dot of 0.5 is a sum of 3072, which half of all fingers raise; the least for 1e-4 is 2894.
    let fusion = models.fusion(faces.id(), fingers.id()).unwrap();
    let crowd = crowd(40, 1);
    let [faces, fingers] = [(&faces, &of_faces), (&fingers, &of_fingers)].map(|(model, templates)| Labelled {
        model,
        crowd: &crowd,
        templates: templates.iter().collect(),
    });
    let wolves = Wolves::of_two(&faces, &fingers, fusion, 1, 7).unwrap();
    let greatest = |kind: &str| wolves.crafted.iter().find(|pack| pack.kind == kind).unwrap().shares[1].greatest;
    assert!(wolves.own.shares[1].greatest < 0.2, "{:?}", wolves.own);
    assert!(greatest("a crafted face, a stranger's finger") > 0.6, "{:?}", wolves.crafted);
    assert!(greatest("a stranger's face, a crafted finger") < 0.3, "{:?}", wolves.crafted);
    assert!(greatest("both crafted") >= greatest("a crafted face, a stranger's finger"));
}

#[test]
fn rows_that_are_popular_in_the_mean_are_found_though_no_print_has_them() {
    let (model, mut draw) = (model("leader-rows-3"), Draw::from_seed(3));
    // Real rows of one kind have a cosine of 0.32 to each other, below the lowest level; their middle has 0.57 to each, above the second.
    let middles: Vec<Vec<f64>> = (0..10).map(|_| direction(SURROUNDINGS, &mut draw)).collect();
    let prints: Vec<Template> = (0..24)
        .map(|_| {
            let rows: Vec<i8> = middles.iter().flat_map(|middle| row(&near(middle, 0.57, &mut draw), 40)).collect();
            Template::crafted(Shape::set(middles.len()).unwrap(), rows.into()).unwrap()
        })
        .collect();
    let wolves = measure(&model, &crowd(24, 1), &prints);
    let greatest = |kind: &str| wolves.crafted.iter().find(|pack| pack.kind == kind).unwrap().shares[1].greatest;
    assert!(wolves.own.shares[1].greatest < 0.2, "{:?}", wolves.own);
    assert!(greatest("12 mean rows") > 0.9, "{:?}", wolves.crafted);
    // Copies of one row reach one row of a print: three of the six levels that it takes.
    assert!(greatest("copies of a popular mean row") < 0.2, "{:?}", wolves.crafted);
    assert!(wolves.crafted.iter().any(|pack| pack.kind == "lattices of minutiae"));
}

#[test]
fn too_few_people_have_no_wolves() {
    let (model, mut draw) = (model("sface128"), Draw::from_seed(4));
    let shape = Shape::vector(128).unwrap();
    let faces: Vec<Template> = (0..3)
        .map(|_| {
            let face = round::round(&direction(128, &mut draw), shape.band()).unwrap();
            Template::crafted(shape, face.into()).unwrap()
        })
        .collect();
    let set = Labelled { model: &model, crowd: &crowd(3, 1), templates: faces.iter().collect() };
    assert!(Wolves::measure(&set, thresholds(&model), 1, 7, |_| ()).is_none());
}
