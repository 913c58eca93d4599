//! Just enough SVG for a plot: lines, paths and words, on axes.

use std::fmt::Write as _;

/// Ink, grid, paper, and the colours of curves.
type Palette = [&'static str; 3 + COLOURS];

/// How many colours curves have.
pub const COLOURS: usize = 5;

/// Colours that people with any colour vision tell apart (Okabe, Ito 2008; the last two darkened), on light paper and on dark.
const LIGHT: Palette = ["#1a1a1a", "#d9d9d9", "#ffffff", "#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00"];
const DARK: Palette = ["#e8e8e8", "#444444", "#161616", "#56b4e9", "#e69f00", "#2bc99a", "#e08fd0", "#f0e442"];

const SHAPES: &str = ".plot{font:13px system-ui,sans-serif}.plot .end{text-anchor:end}.plot .middle{text-anchor:middle}\
.plot .small{font-size:11px}.plot .axis,.plot .grid,.plot .mark,.plot .curve{fill:none}.plot .mark{stroke-dasharray:5 4}\
.plot .curve,.plot .dot{stroke-width:2}.plot .line{stroke-width:1.5}.plot .bar{stroke-width:1.2;fill-opacity:.25}";

/// Plain rules, since some viewers know no variables.
fn paint([ink, pale, paper, curves @ ..]: Palette) -> String {
    let mut rules = format!(
        ".plot .paper,.plot .dot{{fill:{paper}}}.plot text{{fill:{ink}}}.plot .axis,.plot .mark{{stroke:{ink}}}\
         .plot .grid{{stroke:{pale}}}"
    );
    for (place, colour) in curves.into_iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(rules, ".plot .c{place}{{stroke:{colour}}}.plot .bar.c{place}{{fill:{colour}}}");
    }
    rules
}

fn style() -> String {
    format!("{SHAPES}{}@media (prefers-color-scheme:dark){{{}}}", paint(LIGHT), paint(DARK))
}

/// Where a text is anchored.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    /// Begins there.
    Start,
    /// Has its middle there.
    Middle,
    /// Ends there.
    End,
}

/// The text with the characters that mark-up uses written so that they are text.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A drawing under way. Coordinates are pixels, from the top left.
#[derive(Debug)]
pub struct Svg {
    out: String,
}

impl Svg {
    /// An empty drawing with a title and a description for those who do not see it. `name` tells drawings of one page apart.
    #[must_use]
    pub fn new(name: &str, [width, height]: [u32; 2], title: &str, description: &str) -> Self {
        let (title, description) = (escape(title), escape(description));
        let out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" aria-labelledby=\"{name}-title {name}-desc\">\n\
             <title id=\"{name}-title\">{title}</title>\n<desc id=\"{name}-desc\">{description}</desc>\n\
             <style>{}</style>\n<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n",
            style()
        );
        Self { out }
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A line through these points.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        let mut path = String::new();
        for [x, y] in points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            // Writing to a string does not fail.
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        }
        if !path.is_empty() {
            self.push(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
        }
    }

    /// A small circle.
    pub fn circle(&mut self, class: &str, [x, y]: [f64; 2]) {
        self.push(format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"));
    }

    /// Words; `class` may be empty.
    pub fn text(&mut self, class: &str, anchor: Anchor, [x, y]: [f64; 2], text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " middle",
            Anchor::End => " end",
        };
        let text = escape(text);
        self.push(format_args!("<text class=\"{class}{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
    }

    /// Words from the bottom up, with their middle there.
    pub fn upright(&mut self, [x, y]: [f64; 2], text: &str) {
        let text = escape(text);
        self.push(format_args!(
            "<text class=\"middle\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\">{text}</text>"
        ));
    }

    /// The whole file.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{element}");
    }
}

/// One axis: from values to pixels, by a scale that need not be straight.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// The values at the two ends.
    pub values: [f64; 2],
    /// The pixels there.
    pub pixels: [f64; 2],
    /// A rising function that straightens the scale.
    pub scale: fn(f64) -> f64,
}

impl Axis {
    /// Where a value is drawn; beyond the ends, at the nearer end.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        let [from, to] = self.values.map(self.scale);
        let part = (((self.scale)(value.clamp(self.values[0], self.values[1])) - from) / (to - from)).clamp(0.0, 1.0);
        self.pixels[0] + part * (self.pixels[1] - self.pixels[0])
    }

    /// Whether a value lies between the ends.
    #[must_use]
    pub fn has(&self, value: f64) -> bool {
        (self.values[0]..=self.values[1]).contains(&value)
    }

    /// Round values from end to end of a straight axis: steps of 1, 2 or 5 times a power of ten, at most `most` of them.
    #[must_use]
    pub fn ticks(&self, most: u32) -> Vec<f64> {
        let [from, to] = self.values;
        let rough = (to - from) / f64::from(most);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        (0..=most)
            .map(|place| ((from / step).ceil() + f64::from(place)) * step)
            .take_while(|tick| *tick <= to + step * 1e-9)
            .collect()
    }
}

/// The value that a normal variable stays below with this probability (Acklam's rational approximation, within 1.2e-9 of it).
#[must_use]
pub fn probit(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
        1.0,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    let polynomial = |factors: &[f64], x: f64| factors.iter().fold(0.0, |sum, factor| sum * x + factor);
    if probability > 0.5 {
        return -probit(1.0 - probability);
    }
    if probability < 0.024_25 {
        let q = (-2.0 * probability.max(1e-300).ln()).sqrt();
        return polynomial(&C, q) / polynomial(&D, q);
    }
    let q = probability - 0.5;
    let r = q * q;
    q * polynomial(&A, r) / polynomial(&B, r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probit_is_that_of_the_tables() {
        for (probability, expected) in
            [(0.5, 0.0), (0.975, 1.959_963_985), (0.01, -2.326_347_874), (1e-5, -4.264_890_794), (0.3, -0.524_400_513)]
        {
            assert!((probit(probability) - expected).abs() < 1e-7, "{probability}: {}", probit(probability));
        }
    }

    #[test]
    fn an_axis_maps_its_ends_to_its_ends_and_nothing_beyond() {
        let axis = Axis { values: [1.0, 100.0], pixels: [300.0, 100.0], scale: f64::log10 };
        let pixels = [1.0, 10.0, 100.0, 1e9, 0.0].map(|value| format!("{:.1}", axis.at(value)));
        assert_eq!(pixels, ["300.0", "200.0", "100.0", "100.0", "300.0"]);
    }

    #[test]
    fn ticks_are_round_and_within() {
        let axis = Axis { values: [-0.31, 1.02], pixels: [0.0, 1.0], scale: |x| x };
        let ticks: Vec<String> = axis.ticks(8).iter().map(|tick| format!("{tick:.1}")).collect();
        assert_eq!(ticks, ["-0.2", "0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn text_is_text() {
        let mut svg = Svg::new("x", [10, 10], "<&>", "\"");
        svg.text("", Anchor::Start, [0.0, 0.0], "a < b & c");
        let out = svg.finish();
        assert!(out.contains("&lt;&amp;&gt;") && out.contains("a &lt; b &amp; c") && !out.contains("b & c"));
    }
}
