//! The two plots of a report: the detection error trade-off of all curves, and the scores of one.

use super::curve::{Curve, Point};
use crate::drawing::svg::{Anchor, Axis, COLOURS, Svg, probit};
use crate::drawing::{BOTTOM, LEFT, RIGHT, SIZE, TOP, frame, pixels};

/// Where rates are marked on an axis.
const MARKS: [f64; 13] = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.4];

/// A rate in per cent, with as many digits as it needs.
#[must_use]
pub fn per_cent(rate: f64) -> String {
    let digits = match rate {
        0.0 => 0,
        _ if rate < 1e-4 => 4,
        _ if rate < 1e-2 => 3,
        _ => 2,
    };
    format!("{:.digits$} %", 100.0 * rate)
}

/// A mark's rate in per cent, with nothing after its last digit.
fn mark(rate: f64) -> String {
    // 1e-7 has nine decimals less its own; rounding first hides that 100 * 2e-3 is not quite 0.2.
    let text = format!("{:.6}", 100.0 * rate);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An axis of rates that holds all of `rates` (each above 0), on the scale of normal deviates.
fn rate_axis(rates: impl Iterator<Item = f64>, horizontal: bool) -> Axis {
    let (low, high) = rates.fold((0.4, 1e-7), |(low, high): (f64, f64), rate| (low.min(rate), high.max(rate)));
    let from = MARKS.into_iter().rev().find(|mark| *mark <= low).unwrap_or(MARKS[0]);
    let to = MARKS.into_iter().find(|mark| *mark >= high && *mark > from).unwrap_or(0.4);
    Axis { values: [from, to.max(2.0 * from)], pixels: pixels(horizontal), scale: probit }
}

/// FNMR against FMR of every curve, both axes in normal deviates, with the operating points and their intervals.
#[must_use]
pub fn det(name: &str, curves: &[Curve]) -> String {
    let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
    let description = format!(
        "False non-match rate against false match rate of {}, both on normal deviate scales. {}",
        names.join(", "),
        curves.iter().map(in_words).collect::<Vec<_>>().join(" ")
    );
    let mut svg = Svg::new(name, SIZE, "Detection error trade-off", &description);
    frame(&mut svg, "Detection error trade-off", "False match rate (FMR), %", "False non-match rate (FNMR), %");
    let points = || curves.iter().flat_map(|curve| curve.det.iter());
    let across = rate_axis(points().map(|point| point.0), true);
    let up = rate_axis(points().map(|point| point.1), false);
    for rate in MARKS {
        if rate >= across.values[0] && rate <= across.values[1] {
            svg.line("grid", [across.at(rate), TOP], [across.at(rate), BOTTOM]);
            svg.text("small", Anchor::Middle, [across.at(rate), BOTTOM + 18.0], &mark(rate));
        }
        if rate >= up.values[0] && rate <= up.values[1] {
            svg.line("grid", [LEFT, up.at(rate)], [RIGHT, up.at(rate)]);
            svg.text("small", Anchor::End, [LEFT - 8.0, up.at(rate) + 4.0], &mark(rate));
        }
    }
    let [from, to] = [across.values[0].max(up.values[0]), across.values[1].min(up.values[1])];
    if from < to {
        svg.line("mark", [across.at(from), up.at(from)], [across.at(to), up.at(to)]);
    }
    for (place, curve) in curves.iter().enumerate() {
        let colour = format!("c{}", place % COLOURS);
        let within = curve.det.iter().filter(|(fmr, fnmr)| across.has(*fmr) && up.has(*fnmr));
        svg.path(&format!("curve {colour}"), within.map(|&(fmr, fnmr)| [across.at(fmr), up.at(fnmr)]));
        curve.points.iter().for_each(|point| operating_point(&mut svg, &colour, point, across, up));
        #[expect(clippy::cast_precision_loss, reason = "a few curves")]
        let y = TOP + 16.0 + 20.0 * place as f64;
        svg.line(&format!("curve {colour}"), [RIGHT - 240.0, y - 4.0], [RIGHT - 212.0, y - 4.0]);
        let eer = curve.eer.map_or_else(String::new, |eer| format!(", EER {}", per_cent(eer.value)));
        svg.text("", Anchor::Start, [RIGHT - 204.0, y], &format!("{}{eer}", curve.name));
    }
    svg.finish()
}

fn operating_point(svg: &mut Svg, colour: &str, point: &Point, across: Axis, up: Axis) {
    // No false match has no place on this scale. No false non-match stands at the bottom, below the interval's upper end.
    if !across.has(point.fmr.value) {
        return;
    }
    let x = across.at(point.fmr.value);
    if let Some(interval) = point.fnmr.interval {
        svg.line(&format!("line {colour}"), [x, up.at(interval.low)], [x, up.at(interval.high)]);
    }
    svg.circle(&format!("dot {colour}"), [x, up.at(point.fnmr.value)]);
}

fn in_words(curve: &Curve) -> String {
    let eer = curve.eer.map_or_else(String::new, |eer| format!("EER {}", per_cent(eer.value)));
    let points: Vec<String> =
        curve.points.iter().map(|p| format!("FNMR {} at FMR {:e}", per_cent(p.fnmr.value), p.target)).collect();
    format!("{}: {eer}; {}.", curve.name, points.join(", "))
}

/// Shares of genuine and impostor pairs by score, on a logarithmic scale, with the thresholds.
#[must_use]
pub fn histogram(name: &str, curve: &Curve) -> String {
    let bars = &curve.histogram;
    let title = format!("Scores of {}", curve.name);
    let description = format!(
        "Share of {} genuine and {} impostor comparisons by score; dashed lines are the thresholds. {}",
        curve.genuine,
        curve.impostor,
        in_words(curve)
    );
    let mut svg = Svg::new(name, SIZE, &title, &description);
    frame(&mut svg, &title, &format!("Score ({})", curve.unit), "Share of comparisons in a bar, %");
    #[expect(clippy::cast_precision_loss, reason = "a hundred bars")]
    let edge = |bar: usize| bars.from + bars.width * bar as f64;
    let across =
        Axis { values: [bars.from, edge(bars.genuine.len().max(1))], pixels: pixels(true), scale: |value| value };
    let shares = || bars.genuine.iter().chain(&bars.impostor).copied().filter(|share| *share > 0.0);
    let power = |share: f64, round: fn(f64) -> f64| 10_f64.powf(round(share.log10()));
    let low = power(shares().fold(0.1, f64::min), f64::floor);
    let high = power(shares().fold(low * 10.0, f64::max), f64::ceil);
    let up = Axis { values: [low, high], pixels: pixels(false), scale: f64::log10 };
    for tick in across.ticks(10) {
        let digits = if bars.width < 0.1 { 2 } else { 0 };
        svg.text("small", Anchor::Middle, [across.at(tick), BOTTOM + 18.0], &format!("{tick:.digits$}"));
    }
    let mut decade = low;
    while decade <= high * 1.001 {
        svg.line("grid", [LEFT, up.at(decade)], [RIGHT, up.at(decade)]);
        svg.text("small", Anchor::End, [LEFT - 8.0, up.at(decade) + 4.0], &mark(decade));
        decade *= 10.0;
    }
    let kinds = [("genuine", &bars.genuine), ("impostor", &bars.impostor)];
    for (place, (kind, shares)) in kinds.into_iter().enumerate() {
        let colour = format!("bar c{place}");
        outline(&mut svg, &colour, shares, edge, across, up);
        let x = LEFT + 12.0 + 110.0 * f64::from(u8::from(place == 1));
        svg.line(&format!("curve c{place}"), [x, TOP - 10.0], [x + 24.0, TOP - 10.0]);
        svg.text("", Anchor::Start, [x + 30.0, TOP - 6.0], kind);
    }
    thresholds(&mut svg, curve, across);
    svg.finish()
}

/// Bars as areas: one for each run of bars that are not empty.
fn outline(svg: &mut Svg, class: &str, shares: &[f64], edge: impl Fn(usize) -> f64, across: Axis, up: Axis) {
    let bars: Vec<usize> = (0..shares.len()).collect();
    for run in bars.chunk_by(|a, b| (shares[*a] > 0.0) == (shares[*b] > 0.0)).filter(|run| shares[run[0]] > 0.0) {
        let tops = run.iter().flat_map(|&bar| {
            let y = up.at(shares[bar]);
            [[across.at(edge(bar)), y], [across.at(edge(bar + 1)), y]]
        });
        let first = [across.at(edge(run[0])), BOTTOM];
        let last = [across.at(edge(run[run.len() - 1] + 1)), BOTTOM];
        svg.path(class, std::iter::once(first).chain(tops).chain([last, first]));
    }
}

/// A line for each threshold; the lowest label stands highest, so that none covers another.
fn thresholds(svg: &mut Svg, curve: &Curve, across: Axis) {
    let mut y = TOP + 10.0;
    let mut last = None;
    for point in &curve.points {
        if last != Some(point.level) {
            let x = across.at(point.threshold);
            svg.line("mark", [x, TOP], [x, BOTTOM]);
            svg.text("small", Anchor::Start, [x + 4.0, y], &format!("FMR {:e}", point.target));
            y += 14.0;
        }
        last = Some(point.level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::crowd::Crowd;
    use crate::eval::curve::Resampling;
    use crate::eval::draw::Draw;
    use crate::eval::scores::{Scores, Unit};

    fn curve(name: &str) -> Curve {
        let labels: Vec<String> = (0..60).map(|sample| (sample / 3).to_string()).collect();
        let crowd = Crowd::of(labels.iter().map(|label| ("", label.as_str())));
        let level = |a: usize, b: usize| {
            let noise = i32::try_from(Draw::from_seed((a * 100 + b) as u64).below(300)).unwrap();
            if a / 3 == b / 3 { 200 + noise } else { noise }
        };
        let scores = Scores::of_all_pairs(crowd, level, |_| ());
        let unit = Unit { name: "cosine", levels: 500.0 };
        Curve::measure(name, unit, &scores, 0, Resampling { replicates: 50, seed: 1 })
    }

    /// Checks that every element ends where it must, that attributes are quoted once, and returns the elements' names.
    fn elements(svg: &str) -> Vec<String> {
        let (mut open, mut seen) = (Vec::new(), Vec::new());
        for piece in svg.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a tag ends");
            assert!(!text.contains('&') || text.contains(';'), "{text}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else {
                if !tag.ends_with('/') {
                    open.push(name.clone());
                }
                seen.push(name);
            }
        }
        assert!(open.is_empty());
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        seen
    }

    #[test]
    fn plots_are_well_formed_and_say_what_they_show() {
        let curves = [curve("one <1>"), curve("two")];
        let det = det("det", &curves);
        let seen = elements(&det);
        assert_eq!(seen.iter().filter(|name| *name == "path").count(), 3, "an axis and two curves");
        assert!(seen.contains(&"title".to_owned()) && seen.contains(&"desc".to_owned()));
        assert!(det.contains("one &lt;1&gt;, EER"));
        let histogram = histogram("scores", &curves[0]);
        assert!(elements(&histogram).len() > 20);
        assert!(histogram.contains("Score (cosine)") && histogram.contains("FMR 1e-2"));
    }

    #[test]
    fn plots_of_nothing_are_plots() {
        let scores = Scores::of_all_pairs(Crowd::of([]), |_, _| 0, |_| ());
        let unit = Unit { name: "cosine", levels: 500.0 };
        let empty = Curve::measure("nothing", unit, &scores, 0, Resampling { replicates: 5, seed: 1 });
        elements(&histogram("scores", &empty));
        elements(&det("det", &[empty]));
        elements(&det("det", &[]));
    }

    #[test]
    fn rates_are_written_with_the_digits_they_need() {
        assert_eq!([0.0, 0.000_031, 0.003_97, 0.0452].map(per_cent), ["0 %", "0.0031 %", "0.397 %", "4.52 %"]);
        assert_eq!([1e-5, 2e-3, 0.4].map(mark), ["0.001", "0.2", "40"]);
    }
}
