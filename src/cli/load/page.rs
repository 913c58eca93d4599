//! The report as one page with three plots over time.

use std::fmt::Write as _;
use std::time::Duration;

use tumar::eval::page::{table, whole};
use tumar::eval::plot::{BOTTOM, LEFT, RIGHT, SIZE, TOP, frame, pixels};
use tumar::eval::svg::{Anchor, Axis, Svg, escape};

use super::figures::{Bin, Figures, float};
use super::report::{Report, a_second};

/// The page, without a script and without anything from elsewhere.
pub(super) fn html(report: &Report<'_>) -> String {
    let mut body = String::new();
    // Writing to a string does not fail.
    for line in report.results() {
        let _ = writeln!(body, "<p>{}</p>", escape(&line));
    }
    let mut tables = vec![("Latency", report.overview())];
    tables.push(("Errors by reason", report.reasons()));
    tables.push(("Rates that were tried", report.tried()));
    for (title, (head, rows)) in tables.into_iter().filter(|(_, (_, rows))| !rows.is_empty()) {
        let _ = writeln!(body, "<h2>{title}</h2>\n{}", table(&head, &rows));
    }
    body.push_str("<h2>Over time</h2>\n");
    for plot in plots(report.figures) {
        let _ = writeln!(body, "<figure>{}</figure>", plot.draw());
    }
    body.push_str("<h2>Method</h2>\n<ul>\n");
    for sentence in report.sentences() {
        let _ = writeln!(body, "<li>{}</li>", escape(&sentence));
    }
    body.push_str("</ul>\n");
    whole("Load", &body)
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
}

fn plots(figures: &Figures) -> [Plot; 3] {
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
    let plot = |name, title, unit, decades, series| Plot { name, title, unit, decades, bin, series };
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
    use super::super::figures::Window;
    use super::super::mix::Action;
    use super::*;

    #[test]
    fn plots_of_little_and_of_nothing_are_plots() {
        let mut figures = Figures::new(Window { warm_up: Duration::ZERO, length: Duration::from_secs(2) });
        for round in 0..2 {
            for plot in plots(&figures) {
                let svg = plot.draw();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{round}: {svg}");
                assert!(svg.contains(plot.title) && svg.ends_with("</svg>\n"));
            }
            figures.offered(Duration::ZERO, Action::Verify);
            figures.answered(Duration::ZERO, Duration::from_millis(7), Action::Verify, None);
        }
        assert!(plots(&figures)[0].draw().contains("p99: at most 7.0"));
    }
}
