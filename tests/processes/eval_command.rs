//! `tumar eval` as scripts see it: the files of a report, its JSON, and what it says of input that does not fit.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::fingerprints::{Dice, capture, sketch};
use crate::support::own_model;
use ndarray::Array2;
use serde_json::Value;
use tempfile::TempDir;
use tumar::eval::draw::Draw;
use tumar::template::finger::record::Standard;

/// Six people with four embeddings each, near to one another, and the table of their labels.
fn data(folder: &Path) {
    let wave = |number: usize| f32::from(u16::try_from(number * 7_919 % 997).unwrap()) / 498.5 - 1.0;
    let faces = Array2::from_shape_fn((24, 128), |(row, column)| {
        wave(row / 4 * 131 + column) + 0.4 * wave(row * 577 + column * 3 + 50_000)
    });
    ndarray_npy::write_npy(folder.join("faces.npy"), &faces).unwrap();
    let lines: String =
        (0..24).fold("row,identity,fold\n".to_owned(), |text, row| text + &format!("{row},p{},1\n", row / 4));
    fs::write(folder.join("labels.csv"), lines).unwrap();
}

fn eval(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tumar")).arg("eval").args(line.split(' ')).current_dir(folder).output().unwrap()
}

/// The same finger gives the same record.
fn record(finger: u64) -> Vec<u8> {
    sketch(Standard::Iso19794, vec![capture(&mut Dice(finger), 2, 0, 30)]).bytes()
}

const FACES: &str = "faces --embeddings faces.npy --labels labels.csv --model sface128 --replicates 50";

#[test]
fn a_report_is_written_whole_and_is_the_same_at_the_next_run() {
    let folder = TempDir::new().unwrap();
    data(folder.path());
    let run = |out: &str| {
        let output = eval(folder.path(), &format!("{FACES} --out {out} --shared 40 --date 1970-01-01 --json"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (one, two) = (run("one"), run("two"));
    assert_eq!(one, two);
    let curve = &one["curves"][0];
    assert_eq!((curve["people"].as_u64(), curve["genuine"].as_u64()), (Some(6), Some(36)));
    assert_eq!(curve["impostor"].as_u64(), Some(240));
    let searches = &one["searches"][0];
    assert_eq!((searches["gallery"].as_u64(), searches["searches"].as_u64()), (Some(6), Some(18)));
    assert_eq!(one["shared"]["disagreements"].as_u64(), Some(0));
    assert_eq!(one["shared"]["pairs"].as_u64(), Some(40));
    for name in ["report.html", "det.svg", "histogram.svg", "eval.json", "models.toml"] {
        let [one, two] = ["one", "two"].map(|out| fs::read_to_string(folder.path().join(out).join(name)).unwrap());
        assert!(!one.is_empty() && one == two, "{name}");
    }
    let page = fs::read_to_string(folder.path().join("one/report.html")).unwrap();
    assert!(page.contains("1970-01-01") && page.contains("40 random pairs"));
}

#[test]
fn an_extractor_that_is_blind_to_one_group_shows_at_the_one_threshold() {
    let folder = TempDir::new().unwrap();
    let mut draw = Draw::from_seed(5);
    let mut direction = || (0..128).map(|_| f32::from(draw.word().to_le_bytes()[0]) - 127.5).collect::<Vec<f32>>();
    // Sixty people of three groups. Those of the last have one face, and next to nothing of their own.
    let (one_face, mut faces, mut labels) = (direction(), Vec::new(), "row,identity,group\n".to_owned());
    for (person, group) in (0..60).zip(["east", "west", "steppe"].into_iter().cycle()) {
        let own = direction();
        let person_s = |place: usize| if group == "steppe" { one_face[place] + 0.3 * own[place] } else { own[place] };
        for _ in 0..3 {
            writeln!(labels, "{},{person},{group}", faces.len() / 128).unwrap();
            faces.extend(direction().iter().enumerate().map(|(place, noise)| person_s(place) + 0.4 * noise));
        }
    }
    ndarray_npy::write_npy(folder.path().join("faces.npy"), &Array2::from_shape_vec((180, 128), faces).unwrap())
        .unwrap();
    fs::write(folder.path().join("labels.csv"), &labels).unwrap();
    let output = eval(folder.path(), &format!("{FACES} --out groups --json"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let groups = &report["groups"];
    let names: Vec<_> =
        groups["groups"].as_array().unwrap().iter().map(|group| (&group["name"], &group["people"])).collect();
    assert_eq!(names, [(&"east".into(), &20.into()), (&"steppe".into(), &20.into()), (&"west".into(), &20.into())]);
    let of_table = |at: &&Value| at["threshold"]["source"] == "table";
    let at: Vec<&Value> = groups["at"].as_array().unwrap().iter().filter(of_table).collect();
    assert_eq!(at.len(), 3);
    for at in at {
        let fmr = |group: usize| at["rates"][group]["fmr"]["value"].as_f64().unwrap();
        assert!(fmr(0) < 0.01 && fmr(1) > 0.99 && fmr(2) < 0.01, "{at}");
        let ratio = &at["fmr_ratio"];
        assert!(ratio["higher"] == "steppe" && ratio["value"].as_f64().unwrap() > 60.0, "{ratio}");
    }
    let page = fs::read_to_string(folder.path().join("groups/report.html")).unwrap();
    assert!(page.contains("<h2>By group</h2>") && page.contains("(steppe over "));
    // Without the column nothing is said of groups; with it the text has them too.
    fs::write(folder.path().join("labels.csv"), labels.replace("group", "district")).unwrap();
    let output = eval(folder.path(), &format!("{FACES} --out none --wolves 0 --json"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["groups"].is_null() && report["wolves"].is_null());
}

#[test]
fn a_report_says_what_one_probe_matches_at_worst() {
    let folder = TempDir::new().unwrap();
    data(folder.path());
    let output = eval(folder.path(), &format!("{FACES} --out one --json"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wolves = &report["wolves"];
    assert_eq!((wolves["strangers"].as_str(), wolves["own"]["probes"].as_u64()), (Some("6 people"), Some(24)));
    // Three thresholds of the table, four of the set.
    assert_eq!((wolves["thresholds"].as_array().unwrap().len(), wolves["seed"].as_u64()), (7, Some(1)));
    assert!(wolves["all_crafted"]["probes"].as_u64().unwrap() > 20 && wolves["refused"] == 0);
    let page = fs::read_to_string(folder.path().join("one/report.html")).unwrap();
    assert!(page.contains("<h2>Wolves</h2>") && page.contains("all crafted probes"));
    let output = eval(folder.path(), &format!("{FACES} --out two"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Wolves. ") && text.contains("the set's own probes") && !text.contains("By group"));
}

#[test]
fn what_does_not_fit_is_named_with_its_file_and_its_line() {
    let folder = TempDir::new().unwrap();
    data(folder.path());
    let labels = fs::read_to_string(folder.path().join("labels.csv")).unwrap();
    let refused = |line: &str, wanted: &str| {
        let output = eval(folder.path(), line);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {errors}");
        assert!(errors.contains(wanted), "{line}: {errors}");
    };
    let with = |text: &str, wanted: &str| {
        fs::write(folder.path().join("bad.csv"), text).unwrap();
        refused(&format!("{} --out new", FACES.replace("labels.csv", "bad.csv")), wanted);
    };
    with(&labels.replace("identity", "person"), "bad.csv: there is no column `identity` in the header");
    with(&labels.replace("23,p5", "24,p5"), "bad.csv: line 25: there is no row 24; the array has 24, from 0");
    with(&labels.replace("23,p5", "22,p5"), "bad.csv: line 25 is about the same `row` as an earlier one");
    with(&labels.replace("3,p0,1", "3,p0"), "bad.csv: line 5 has 2 cells, the header has 3");
    with(&labels.replace("p3", "\"p3"), "bad.csv: line 14: a quote must stand around a whole cell");
    let one = (0..6).fold(labels.clone(), |text, person| text.replace(&format!("p{person}"), "p"));
    with(&one, "bad.csv: there are no impostor pairs among the samples that gave a template: it takes two people");
    let mut row = 0..24;
    let alone = labels.lines().skip(1).map(|_| row.next().unwrap());
    let alone = alone.fold("row,identity,fold\n".to_owned(), |text, row| text + &format!("{row},p{row},1\n"));
    with(&alone, "bad.csv: there are no genuine pairs");
    // Windows-1251: letters of one length, which must not become one person.
    let mut windows = labels.replace("p5", "pp").into_bytes();
    windows.iter_mut().rev().take(5).filter(|byte| **byte == b'p').for_each(|byte| *byte = 0xc0);
    fs::write(folder.path().join("bad.csv"), windows).unwrap();
    refused(&format!("{} --out new", FACES.replace("labels.csv", "bad.csv")), "bad.csv: line 25 is not UTF-8");
    refused(&format!("{} --out new", FACES.replace("sface128", "fr512")), "512");
    refused(&format!("{} --out new", FACES.replace("sface128", "leader-rows-3")), "no model");
    refused(&format!("{} --out new", FACES.replace("faces.npy", "labels.csv")), "labels.csv: not an NPY file");
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/mine"), "").unwrap();
    refused(&format!("{FACES} --out full"), "full: the folder is not empty; nothing was written");
    fs::write(folder.path().join("index.csv"), "file,db,finger\na.fmr,x,1\n").unwrap();
    refused("fingers --records . --out new", "a.fmr: No such file");
    fs::write(folder.path().join("index.csv"), b"file,db,finger\na.fmr,\xf1,1\n").unwrap();
    refused("fingers --records . --out new", "index.csv: line 2 is not UTF-8");
    fs::write(folder.path().join("index.csv"), "file,db,finger\na.fmr,x,1\n").unwrap();
    fs::write(folder.path().join("a.fmr"), "FMR\0 20\0").unwrap();
    refused("fingers --records . --out new", "a.fmr: ");
    refused("fingers --records . --out new", "index.csv: there are no genuine pairs");
    assert!(!folder.path().join("new").exists());
}

#[test]
fn a_sample_without_a_template_is_named_and_counted_and_the_rest_is_evaluated() {
    let folder = TempDir::new().unwrap();
    data(folder.path());
    let mut faces: Array2<f32> = ndarray_npy::read_npy(folder.path().join("faces.npy")).unwrap();
    faces.row_mut(3).fill(0.0);
    faces[[17, 5]] = f32::NAN;
    ndarray_npy::write_npy(folder.path().join("faces.npy"), &faces).unwrap();
    let output = eval(folder.path(), &format!("{FACES} --wolves 0 --out faces --json"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    for row in ["faces.npy, row 3: the embedding is zero", "faces.npy, row 17: "] {
        assert!(errors.contains(row), "{errors}");
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["curves"][0]["samples"], &report["curves"][0]["failures"]), (&22.into(), &2.into()));
    assert_eq!(report["failures"][0]["sample"], "faces.npy, row 3");

    let mut index = "file,db,finger\n".to_owned();
    for print in 0..6 {
        writeln!(index, "{print}.fmr,x,{}", print / 2).unwrap();
        let record = if print == 5 { b"FMR\0 20\0".to_vec() } else { record(print / 2) };
        fs::write(folder.path().join(format!("{print}.fmr")), record).unwrap();
    }
    fs::write(folder.path().join("index.csv"), index).unwrap();
    let output = eval(folder.path(), "fingers --records . --replicates 50 --wolves 0 --out fingers --json");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("./5.fmr: ") && errors.contains("counted as a failure to enrol"), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["curves"][0]["samples"], &report["curves"][0]["failures"]), (&5.into(), &1.into()));
    assert_eq!(report["failures"][0]["sample"], "./5.fmr");
}

#[test]
fn a_site_sets_thresholds_of_a_model_of_its_own_by_strangers_and_only_for_rates_that_they_are_enough_for() {
    let (folder, model) = (TempDir::new().unwrap(), own_model::folder());
    // One print of each of 26 fingers, that is 325 pairs of fingers: 300 are needed for 1e-2.
    let mut index = "file,db,finger\n".to_owned();
    for finger in 0..26 {
        writeln!(index, "{finger}.fmr,x,{finger}").unwrap();
        fs::write(folder.path().join(format!("{finger}.fmr")), record(finger)).unwrap();
    }
    fs::write(folder.path().join("index.csv"), &index).unwrap();
    let line = format!("fingers --records . --model-folder {} --replicates 20", model.path().display());
    let set = |rates: &str, out: &str| {
        let output = eval(folder.path(), &format!("{line} --set-thresholds {rates} --out {out} --json"));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (output.status.code(), report, errors)
    };
    let (code, report, errors) = set("1e-2,1e-3", "both");
    assert_eq!((code, &report["site"]["trials"]), (Some(1), &325.into()), "{errors}");
    let rates = &report["site"]["rates"];
    assert!(rates[0]["set"]["threshold"].is_f64() && rates[1]["set"].is_null(), "{rates}");
    assert_eq!((&rates[0]["needed"], &rates[1]["needed"]), (&25.into(), &78.into()));
    let entry = fs::read_to_string(folder.path().join("both/models.toml")).unwrap();
    assert_eq!(report["models_toml"].as_str(), Some(&*entry));
    assert!(entry.contains("id = \"bank-rows-1\"") && entry.contains("levels = [600, 680, 760]"), "{entry}");
    assert_eq!(set("1e-2", "one").0, Some(0));

    fs::write(folder.path().join("index.csv"), index.replace("25.fmr,x", "25.fmr,y")).unwrap();
    let (code, _, errors) = set("1e-2", "two");
    assert!(code == Some(2) && errors.contains("these are 2 databases"), "{errors}");
    own_model::change(&model.path().join("card.json"), "0.26", "0.27");
    let (code, _, errors) = set("1e-2", "other");
    assert!(code == Some(2) && errors.contains("FOLDER_OTHER_CARD: card.json is of another model"), "{errors}");
}
