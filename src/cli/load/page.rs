//! The report as one page with plots over time and one of phases; and the picture of the report in Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use tumar::drawing::page::{table, whole};
use tumar::drawing::svg::{Anchor, Axis, Svg, escape};
use tumar::drawing::{BOTTOM, LEFT, RIGHT, SIZE, TOP, frame, pixels};

use super::Measured;
use super::figures::{Bin, float};
use super::mix::Action;
use super::report::{Report, a_second, mebibytes};

/// The page, without a script and without anything from elsewhere.
pub(super) fn html(report: &Report<'_>) -> String {
    let mut body = String::new();
    // Writing to a string does not fail.
    for line in report.results() {
        let _ = writeln!(body, "<p>{}</p>", escape(&line));
    }
    for (title, (head, rows)) in report.tables() {
        let _ = writeln!(body, "<h2>{title}</h2>\n{}", table(&head, &rows));
    }
    body.push_str("<h2>Over time</h2>\n");
    let of_memory = memory(report.measured);
    for plot in plots(report.measured).into_iter().chain(of_memory) {
        let _ = writeln!(body, "<figure>{}</figure>", plot.draw());
    }
    if let Some(phases) = phases(report.measured) {
        let _ = writeln!(body, "<h2>Phases</h2>\n<figure>{phases}</figure>");
    }
    body.push_str("<h2>Method</h2>\n<ul>\n");
    for sentence in report.sentences() {
        let _ = writeln!(body, "<li>{}</li>", escape(&sentence));
    }
    body.push_str("</ul>\n");
    whole("Load", &body)
}

/// Latency above throughput, as one file.
pub(super) fn picture(report: &Report<'_>) -> String {
    let [latency, throughput, _] = plots(report.measured);
    let [width, height] = SIZE;
    // A drawing within a drawing has its place as an attribute.
    let below = throughput.draw().replacen("<svg ", &format!("<svg y=\"{height}\" "), 1);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {both}\" width=\"{width}\" height=\"{both}\">\n\
         {above}{below}</svg>\n",
        both = 2 * height,
        above = latency.draw()
    )
}

/// A line of a plot: a value for each bin that has one.
struct Series {
    name: &'static str,
    values: Vec<Option<f64>>,
}

/// Values over time.
struct Plot {
    /// Tells drawings of one page apart.
    name: &'static str,
    title: &'static str,
    /// What is drawn, upwards.
    unit: &'static str,
    /// Whether each step upwards is a factor.
    decades: bool,
    bin: Duration,
    series: Vec<Series>,
    /// When a node was killed.
    killed: Option<Duration>,
}

fn plots(Measured { figures, killed, .. }: &Measured) -> [Plot; 3] {
    let bin = figures.window.bin();
    let bins = &figures.bins;
    let quantile = |name, part| {
        let values = bins.iter().map(|bin| bin.counts.latencies.quantile(part)).collect();
        Series { name, values }
    };
    // After the last arrival only answers come. A last bin that is not whole shows what there was, and so lies lower.
    let due = &bins[..bins.len().min(figures.window.bins())];
    let rates = |name, count: fn(&Bin) -> u64, bins: &[Bin]| Series {
        name,
        values: bins.iter().map(|counts| Some(a_second(count(counts), bin))).collect(),
    };
    let longest = Series { name: "max", values: bins.iter().map(|bin| bin.counts.latencies.max()).collect() };
    let latency = vec![quantile("p50", 0.5), quantile("p90", 0.9), quantile("p99", 0.99), longest];
    let offered = rates("offered", |bin| bin.counts.offered, due);
    let plot = |name, title, unit, decades, series| Plot { name, title, unit, decades, bin, series, killed: *killed };
    [
        plot("latency", "Latency, by when an arrival was due", "Milliseconds", true, latency),
        plot("throughput", "Throughput", "A second", false, vec![offered, rates("answered", |bin| bin.came, bins)]),
        plot(
            "errors",
            "Errors, by when an arrival was due",
            "A second",
            false,
            vec![rates("errors", |bin| bin.counts.errors, due)],
        ),
    ]
}

/// What each node's process held, the last sample of each bin; nothing if the system did not tell.
fn memory(Measured { figures, memory, killed }: &Measured) -> Option<Plot> {
    let (bin, warm_up) = (figures.window.bin(), figures.window.warm_up);
    let series = |(place, name): (usize, &'static str)| {
        let mut values: Vec<Option<f64>> = Vec::new();
        for sample in memory {
            let Some(since) = sample.at.checked_sub(warm_up) else { continue };
            let at = usize::try_from(since.as_secs() / bin.as_secs()).unwrap_or(usize::MAX);
            values.resize(values.len().max(at + 1), None);
            values[at] = sample.kib[place].map(mebibytes).or(values[at]);
        }
        Series { name, values }
    };
    let series: Vec<Series> = ["A", "B", "C"].into_iter().enumerate().map(series).collect();
    let told = series.iter().any(|series| series.values.iter().any(Option::is_some));
    let (title, unit) = ("Memory of the nodes' processes", "MiB");
    told.then_some(Plot { name: "memory", title, unit, decades: false, bin, series, killed: *killed })
}

/// From the median to the 99th percentile of each phase, a row each; nothing if the leader told of none.
fn phases(Measured { figures, .. }: &Measured) -> Option<String> {
    let mut rows = Vec::new();
    for (action, phases) in Action::ALL.iter().zip(&figures.phases) {
        for (phase, latencies) in phases.iter() {
            let [median, most] = [0.5, 0.99].map(|part| latencies.quantile(part).unwrap_or_default().max(0.001));
            rows.push((format!("{} {phase}", action.as_str()), median, most));
        }
    }
    let (low, high) =
        rows.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), (_, p50, p99)| (low.min(*p50), high.max(*p99)));
    if rows.is_empty() {
        return None;
    }
    let title = "Phases of an answer, by the leader's account: median (circle) to 99th percentile";
    let words: Vec<String> = rows.iter().map(|(name, p50, p99)| format!("{name} {p50:.3} to {p99:.3}")).collect();
    let mut svg = Svg::new("phases", SIZE, title, &format!("Milliseconds: {}.", words.join(", ")));
    let power = |value: f64, round: fn(f64) -> f64| 10_f64.powf(round(value.log10()));
    let from = power(low, f64::floor);
    let values = [from, power(high, f64::ceil).max(10.0 * from)];
    let across = Axis { values, pixels: [LEFT + 116.0, RIGHT], scale: f64::log10 };
    frame(&mut svg, title, "Milliseconds", "");
    for mark in
        std::iter::successors(Some(from), |mark| Some(mark * 10.0)).take_while(|mark| *mark <= values[1] * 1.001)
    {
        svg.line("grid", [across.at(mark), TOP], [across.at(mark), BOTTOM]);
        svg.text("small", Anchor::Middle, [across.at(mark), BOTTOM + 18.0], &mark.to_string());
    }
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    for ((name, median, most), place) in rows.iter().zip(0_u32..) {
        let y = TOP + (BOTTOM - TOP) * (f64::from(place) + 0.5) / f64::from(count);
        svg.text("small", Anchor::End, [LEFT + 108.0, y + 4.0], name);
        svg.line("curve c0", [across.at(*median), y], [across.at(*most), y]);
        svg.circle("dot c0", [across.at(*median), y]);
    }
    Some(svg.finish())
}

impl Plot {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(|series| series.values.iter().copied().flatten())
    }

    /// From below the least value to above the greatest.
    fn up(&self) -> Axis {
        let (low, high) = self.values().fold((f64::INFINITY, 0.0_f64), |(low, high), x| (low.min(x), high.max(x)));
        let values = if self.decades {
            let power = |value: f64, round: fn(f64) -> f64| 10_f64.powf(round(value.max(0.01).log10()));
            let from = power(low.min(high.max(1.0)), f64::floor);
            [from, power(high, f64::ceil).max(10.0 * from)]
        } else {
            [0.0, (high * 1.1).max(1.0)]
        };
        Axis { values, pixels: pixels(false), scale: if self.decades { f64::log10 } else { |value| value } }
    }

    /// Where lines are drawn across, and what stands beside them.
    fn marks(&self, up: Axis) -> Vec<f64> {
        if !self.decades {
            return up.ticks(8);
        }
        let [from, to] = [up.values[0] * 0.999, up.values[1] * 1.001];
        let decades = std::iter::successors(Some(up.values[0]), |mark| Some(mark * 10.0));
        let within = decades.take_while(|mark| *mark <= to);
        within
            .flat_map(|mark| [1.0, 2.0, 5.0].map(|times| times * mark))
            .filter(|mark| (from..=to).contains(mark))
            .collect()
    }

    fn draw(&self) -> String {
        let count = self.series.iter().map(|series| series.values.len()).max().unwrap_or_default().max(1);
        let seconds = |place: usize| float(u64::try_from(place).unwrap_or_default()) * self.bin.as_secs_f64();
        let (across, up) =
            (Axis { values: [0.0, seconds(count)], pixels: pixels(true), scale: |value| value }, self.up());
        let mut svg = Svg::new(self.name, SIZE, self.title, &self.in_words());
        frame(&mut svg, self.title, "Seconds since the warm-up", self.unit);
        for mark in self.marks(up) {
            svg.line("grid", [LEFT, up.at(mark)], [RIGHT, up.at(mark)]);
            let digits = if mark > 0.0 && mark < 1.0 { 2 } else { usize::from(mark.fract() > 0.0) };
            svg.text("small", Anchor::End, [LEFT - 8.0, up.at(mark) + 4.0], &format!("{mark:.digits$}"));
        }
        for tick in across.ticks(10) {
            let digits = usize::from(across.values[1] < 10.0 && tick.fract() > 0.0);
            svg.text("small", Anchor::Middle, [across.at(tick), BOTTOM + 18.0], &format!("{tick:.digits$}"));
        }
        if let Some(killed) = self.killed {
            let x = across.at(killed.as_secs_f64());
            svg.line("mark", [x, TOP], [x, BOTTOM]);
            svg.text("small", Anchor::Start, [x + 4.0, TOP + 10.0], "a node is killed");
        }
        for (place, series) in self.series.iter().enumerate() {
            let colour = format!("curve c{place}");
            let points: Vec<[f64; 2]> = (0..)
                .zip(&series.values)
                .filter_map(|(place, value)| {
                    let middle = seconds(place) + self.bin.as_secs_f64() / 2.0;
                    value.map(|value| [across.at(middle), up.at(value)])
                })
                .collect();
            // A line needs two points.
            if let [only] = points[..] {
                svg.circle(&format!("dot c{place}"), only);
            }
            svg.path(&colour, points);
            let x = LEFT + 280.0 + 90.0 * float(u64::try_from(place).unwrap_or_default());
            svg.line(&colour, [x, TOP - 28.0], [x + 20.0, TOP - 28.0]);
            svg.text("", Anchor::Start, [x + 26.0, TOP - 24.0], series.name);
        }
        svg.finish()
    }

    /// For those who do not see it.
    fn in_words(&self) -> String {
        let greatest = |series: &Series| {
            let greatest = series.values.iter().copied().flatten().fold(0.0, f64::max);
            format!("{}: at most {greatest:.1}", series.name)
        };
        let series: Vec<String> = self.series.iter().map(greatest).collect();
        format!("{} over time. {}.", self.unit, series.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use tumar::timings::Timings;

    use super::super::figures::{Answer, Figures, Says, Window};
    use super::super::local::Memory;
    use super::*;

    #[test]
    fn plots_of_little_and_of_nothing_are_plots() {
        let figures = Figures::new(Window { warm_up: Duration::ZERO, length: Duration::from_secs(2) });
        let mut measured = Measured { figures, memory: Vec::new(), killed: None };
        assert!(memory(&measured).is_none() && phases(&measured).is_none());
        for round in 0..2 {
            let drawn = plots(&measured).into_iter().chain(memory(&measured)).map(|plot| (plot.title, plot.draw()));
            for (title, svg) in drawn {
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{round}: {svg}");
                assert!(svg.contains(title) && svg.ends_with("</svg>\n"));
                assert_eq!(svg.contains("a node is killed"), round == 1);
            }
            let answer = Answer { says: Says::Done, timings: Timings::parse("token;dur=0.5, log;dur=3") };
            measured.figures.offered(Duration::ZERO, Action::Verify);
            measured.figures.answered(Duration::ZERO, Duration::from_millis(7), Action::Verify, &answer);
            measured.memory.push(Memory { at: Duration::from_secs(1), kib: [Some(2048), None, Some(1024)] });
            measured.killed = Some(Duration::from_secs(1));
        }
        assert!(plots(&measured)[0].draw().contains("p99: at most 7.0"));
        assert!(memory(&measured).unwrap().draw().contains("A: at most 2.0, B: at most 0.0, C: at most 1.0"));
        let phases = phases(&measured).unwrap();
        assert!(phases.contains("verify token") && phases.contains("verify elsewhere") && !phases.contains("NaN"));
    }
}
