//! Charts as inline SVG: axes with round ticks, labelled lines and bands, bars, marks and levels. Colours are custom
//! properties of the page, so one drawing serves light and dark.

use super::text::{number, shorten, typeset};
use crate::text::html;
use std::fmt::Write;

/// Colours of series. `style.css` defines as many.
pub const COLOURS: usize = 8;

/// The CSS value of the n-th colour; colours repeat after [`COLOURS`].
#[must_use]
pub fn colour(n: usize) -> String {
    format!("var(--c{})", n % COLOURS)
}

/// How an axis places and writes values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Places values evenly.
    #[default]
    Linear,
    /// Places values evenly and writes them in per cent of 1.
    Percent,
    /// Places the logarithms of values evenly.
    Log,
}

/// One axis of a chart.
#[derive(Clone, Debug)]
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(scale: Scale, (low, high): (f64, f64), wanted: usize, whole: bool) -> Self {
        match scale {
            Scale::Log => {
                let (low, high) = (low * 0.9, high * 1.1);
                let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
                let fine: &[f64] = if (high / low).log10() < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let every = (((high / low).log10() / wanted as f64).ceil() as i32).max(1);
                let ticks = decades
                    .filter(|d| d.rem_euclid(every) == 0)
                    .flat_map(|d| fine.iter().map(move |f| f * 10f64.powi(d)));
                Self { scale, low, high, ticks: ticks.filter(|t| (low..=high).contains(t)).collect() }
            }
            Scale::Linear | Scale::Percent => {
                let high = if high > low { high } else { low + 1.0 };
                let step = round_step((high - low) / wanted as f64);
                let step = if whole { step.max(1.0).round() } else { step };
                let first = (low / step - 1e-9).ceil() as i64;
                let ticks = (first..).map(|k| k as f64 * step).take_while(|t| *t <= high + 1e-9 * step);
                let mut ticks: Vec<f64> = ticks.take(50).collect();
                // An axis that counts from 1 shows the 1 if there is room.
                if whole && low.fract() == 0.0 && ticks.first().is_some_and(|tick| tick - low >= 0.5 * step) {
                    ticks.insert(0, low);
                }
                Self { scale, low, high, ticks }
            }
        }
    }

    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Log => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            _ => (value - self.low) / (self.high - self.low),
        }
    }

    fn text(&self, value: f64) -> String {
        // Ticks are multiples of a round step, so digits beyond 1e-9 are rounding errors.
        let value = (value * 1e9).round() / 1e9;
        if self.scale == Scale::Percent { format!("{} %", number(100.0 * value)) } else { number(value) }
    }
}

/// About `wanted` round values between `low` and `high`.
#[must_use]
pub fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    Axis::new(Scale::Linear, (low, high), wanted, false).ticks
}

/// The smallest step of 1, 2 or 5 times a power of ten that is not below `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

#[derive(Clone, Debug)]
struct Line {
    label: String,
    colour: String,
    class: &'static str,
    points: Vec<(f64, f64)>,
}

/// x, low and high of an area, or from, to and height of a bar.
type Triple = (f64, f64, f64);

/// A chart of values over x.
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    x_label: String,
    y_label: String,
    /// Outer width and height in pixels.
    size: (f64, f64),
    x_range: Option<(f64, f64)>,
    y_range: Option<(f64, f64)>,
    scale: Scale,
    whole_x: bool,
    lines: Vec<Line>,
    bands: Vec<(String, f64, Vec<Triple>)>,
    bars: Vec<(String, Vec<Triple>)>,
    marks: Vec<(f64, String)>,
    levels: Vec<f64>,
    arrows: Vec<((f64, f64), f64, String)>,
    picture: Option<String>,
}

impl Chart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: impl Into<String>, x_label: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x_label: x_label.into(),
            y_label: String::new(),
            size: (370.0, 232.0),
            x_range: None,
            y_range: None,
            scale: Scale::Linear,
            whole_x: false,
            lines: vec![],
            bands: vec![],
            bars: vec![],
            marks: vec![],
            levels: vec![],
            arrows: vec![],
            picture: None,
        }
    }

    /// Sets width and height in pixels.
    #[must_use]
    pub const fn sized(mut self, width: f64, height: f64) -> Self {
        self.size = (width, height);
        self
    }

    /// Names y, for titles that do not.
    #[must_use]
    pub fn named_y(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Sets how y is placed and written.
    #[must_use]
    pub const fn scaled(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Marks x as a count, which has no ticks between whole numbers.
    #[must_use]
    pub const fn counting(mut self) -> Self {
        self.whole_x = true;
        self
    }

    /// Sets the range of y; the default is the range of the values.
    #[must_use]
    pub const fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// Sets the range of x; the default is the range of the values.
    #[must_use]
    pub const fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// Adds a line with its label at the end. A single point becomes a dot.
    pub fn line(&mut self, label: impl Into<String>, colour: impl Into<String>, points: Vec<(f64, f64)>) {
        self.styled(label, colour, "line", points);
    }

    /// Adds a line with a class of `style.css`: `line`, `thin`, `dashed` or `faint`.
    pub fn styled(
        &mut self,
        label: impl Into<String>,
        colour: impl Into<String>,
        class: &'static str,
        mut points: Vec<(f64, f64)>,
    ) {
        points.retain(|(x, y)| x.is_finite() && y.is_finite() && (self.scale != Scale::Log || *y > 0.0));
        if !points.is_empty() {
            self.lines.push(Line { label: label.into(), colour: colour.into(), class, points });
        }
    }

    /// Adds the area between the edges (x, low, high), filled with `opacity`.
    pub fn band(&mut self, colour: impl Into<String>, opacity: f64, mut edges: Vec<(f64, f64, f64)>) {
        edges.retain(|(x, low, high)| x.is_finite() && low.is_finite() && high.is_finite());
        self.bands.push((colour.into(), opacity, edges));
    }

    /// Adds bars (from, to, height).
    pub fn bars(&mut self, colour: impl Into<String>, bars: Vec<(f64, f64, f64)>) {
        self.bars.push((colour.into(), bars));
    }

    /// Adds a vertical line with a label.
    pub fn mark(&mut self, x: f64, label: impl Into<String>) {
        self.marks.push((x, label.into()));
    }

    /// Adds a horizontal line at y in the style of the axes.
    pub fn level(&mut self, y: f64) {
        self.levels.push(y);
    }

    /// Adds a horizontal arrow with two heads, with a label below its middle.
    pub fn arrow(&mut self, from_to: (f64, f64), y: f64, label: impl Into<String>) {
        self.arrows.push((from_to, y, label.into()));
    }

    /// Fills the area of the chart with the picture at a `data:` address. A marker lies over the picture, at the share
    /// `--now` of its width; `page.css` hides the marker until a script moves it. The heights of pictures are counts.
    pub fn picture(&mut self, address: String) {
        self.picture = Some(address);
    }

    fn ranges(&self) -> ((f64, f64), (f64, f64)) {
        let mut points: Vec<(f64, f64)> = self.lines.iter().flat_map(|line| line.points.iter().copied()).collect();
        points.extend(self.bands.iter().flat_map(|(_, _, edges)| edges).flat_map(|&(x, l, h)| [(x, l), (x, h)]));
        points.extend(self.bars.iter().flat_map(|(_, bars)| bars).flat_map(|&(a, b, h)| [(a, 0.0), (b, h)]));
        if let Some(&(_, y)) = points.first() {
            points.extend(self.marks.iter().map(|&(x, _)| (x, y)));
        }
        if self.scale == Scale::Log {
            points.retain(|(_, y)| *y > 0.0);
        }
        let range = |of: fn(&(f64, f64)) -> f64| {
            let values = points.iter().map(of);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let finite = |(low, high): (f64, f64)| if low.is_finite() { (low, high) } else { (0.0, 1.0) };
        let (x, y) = (finite(range(|p| p.0)), finite(range(|p| p.1)));
        // A single value stands in the middle.
        let x = if x.0 < x.1 { x } else { (x.0 - 0.5, x.1 + 0.5) };
        // Counts and shares start at 0. A logarithmic axis cannot.
        let high = if y.1 > 0.0 { 1.04 * y.1 } else { f64::from(u8::from(y.0 >= 0.0)) };
        let y = if self.scale == Scale::Log { y } else { (y.0.min(0.0), high) };
        (self.x_range.unwrap_or(x), self.y_range.unwrap_or(y))
    }

    /// The chart as SVG.
    #[must_use]
    pub fn render(&self) -> String {
        let (width, height) = self.size;
        let longest = self.lines.iter().map(|line| shorten(&line.label, 26).chars().count()).max().unwrap_or(0);
        let right = if longest == 0 { 12.0 } else { 14.0 + 6.4 * longest as f64 };
        let (x_range, y_range) = self.ranges();
        // The name of y stands above the axis, below the title.
        let (top, bottom) = (if self.y_label.is_empty() { 34.0 } else { 56.0 }, 36.0);
        let h = height - top - bottom;
        // The heights of bars are counts.
        let counts = !self.bars.is_empty() || self.picture.is_some();
        let y_axis = Axis::new(self.scale, y_range, (h / 42.0).round().max(2.0) as usize, counts);
        let widest = y_axis.ticks.iter().map(|t| y_axis.text(*t).chars().count()).max().unwrap_or(1);
        let left = 12.0 + 6.4 * widest as f64;
        let w = width - left - right;
        let x_axis = Axis::new(Scale::Linear, x_range, (w / 60.0).round().max(2.0) as usize, self.whole_x);
        let x = |value: f64| left + w * x_axis.place(value);
        let y = |value: f64| top + h * (1.0 - y_axis.place(value));
        let mut out = open(width, height, &self.title);
        let scale = if self.scale == Scale::Log { "<tspan class=\"tick\"> (logarithmic)</tspan>" } else { "" };
        let _ = write!(out, "<text class=\"title\" x=\"0\" y=\"14\">{}{scale}</text>", typeset(&self.title));
        if !self.y_label.is_empty() {
            let _ = write!(out, "<text class=\"tick\" x=\"0\" y=\"38\">{}</text>", typeset(&self.y_label));
        }
        for tick in &y_axis.ticks {
            let at = y(*tick);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}h{w:.1}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 6.0,
                at + 4.0,
                y_axis.text(*tick)
            );
        }
        for tick in &x_axis.ticks {
            let _ = write!(
                out,
                "<text class=\"tick mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x(*tick),
                top + h + 15.0,
                x_axis.text(*tick)
            );
        }
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{left:.1} {:.1}h{w:.1}\"/><text class=\"tick mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            top + h,
            left + 0.5 * w,
            height - 5.0,
            typeset(&self.x_label)
        );
        if let Some(address) = &self.picture {
            let area = format!("x=\"{left:.1}\" y=\"{top:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"");
            let _ = write!(
                out,
                "<rect class=\"frozen\" {area}/><image {area} preserveAspectRatio=\"none\" href=\"{address}\"/>\
                 <path class=\"now\" d=\"M{left:.1} {:.1}v{:.1}\" style=\"--width:{w:.1}px\"/>",
                top - 4.0,
                h + 8.0
            );
        }
        for level in &self.levels {
            let _ = write!(out, "<path class=\"axis\" d=\"M{left:.1} {:.1}h{w:.1}\"/>", y(*level));
        }
        for (colour, opacity, edges) in &self.bands {
            let upper = edges.iter().map(|&(at, _, high)| (x(at), y(high)));
            let lower = edges.iter().rev().map(|&(at, low, _)| (x(at), y(low)));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            let _ = write!(out, "<path d=\"{}Z\" style=\"fill:{colour};fill-opacity:{opacity}\"/>", path(&outline));
        }
        for (colour, bars) in &self.bars {
            for &(from, to, value) in bars.iter().filter(|bar| bar.2 > 0.0) {
                let (a, b, top_of) = (x(from) + 0.5, x(to) - 0.5, y(value));
                let _ = write!(
                    out,
                    "<rect x=\"{a:.1}\" y=\"{top_of:.1}\" width=\"{:.1}\" height=\"{:.1}\" style=\"fill:{colour}\"><title>{}</title></rect>",
                    (b - a).max(0.6),
                    y(0.0).min(top + h) - top_of,
                    number(value)
                );
            }
        }
        for line in &self.lines {
            let points: Vec<(f64, f64)> = line.points.iter().map(|&(a, b)| (x(a), y(b))).collect();
            if let [(a, b)] = points[..] {
                let _ = write!(out, "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" style=\"fill:{}\"/>", line.colour);
            } else {
                let _ = write!(
                    out,
                    "<path class=\"{}\" d=\"{}\" style=\"stroke:{}\"/>",
                    line.class,
                    path(&points),
                    line.colour
                );
            }
        }
        for (at, label) in &self.marks {
            let at = x(*at);
            // The label stands on the side that has room.
            let room = left + w - at > 6.6 * label.chars().count() as f64 + 4.0;
            let (class, shift) = if room { ("note", 4.0) } else { ("note end", -4.0) };
            let _ = write!(
                out,
                "<path class=\"mark\" d=\"M{at:.1} {:.1}v{:.1}\"/><text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                top - 14.0,
                h + 14.0,
                at + shift,
                top - 5.0,
                typeset(label)
            );
        }
        for &((from, to), at, ref label) in &self.arrows {
            let (a, b, at) = (x(from), x(to), y(at));
            let _ = write!(
                out,
                "<path class=\"arrow\" d=\"M{:.1} {at:.1}H{:.1}M{:.1} {:.1}l-7 4l7 4M{:.1} {:.1}l7 4l-7 4\"/>\
                 <text class=\"note mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                a,
                b,
                a + 7.0,
                at - 4.0,
                b - 7.0,
                at - 4.0,
                0.5 * (a + b),
                at + 18.0,
                typeset(label)
            );
        }
        self.end_labels(&mut out, (left + w, top, h), &x, &y);
        out + "</svg>"
    }

    /// Writes the labels at the ends of the lines, moved apart where they would overlap.
    fn end_labels(
        &self,
        out: &mut String,
        (edge, top, h): (f64, f64, f64),
        x: &impl Fn(f64) -> f64,
        y: &impl Fn(f64) -> f64,
    ) {
        const LEADING: f64 = 13.0;
        let named = self.lines.iter().filter(|line| !line.label.is_empty());
        let mut labels: Vec<(f64, &Line)> = named.map(|line| (y(line.points[line.points.len() - 1].1), line)).collect();
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let lowest = top + h;
        for i in 1..labels.len() {
            labels[i].0 = labels[i].0.max(labels[i - 1].0 + LEADING);
        }
        // Labels that were pushed below the bottom edge move up and push the others up.
        let mut limit = lowest;
        for label in labels.iter_mut().rev() {
            label.0 = label.0.min(limit);
            limit = label.0 - LEADING;
        }
        for (at, line) in labels {
            let (end_x, end_y) = line.points[line.points.len() - 1];
            if x(end_x) < edge - 8.0 {
                let _ = write!(
                    out,
                    "<path class=\"leader\" d=\"M{:.1} {:.1}L{:.1} {at:.1}\" style=\"stroke:{}\"/>",
                    x(end_x) + 4.0,
                    y(end_y),
                    edge + 3.0,
                    line.colour
                );
            }
            let _ = write!(
                out,
                "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{}\"><title>{}</title>{}</text>",
                edge + 6.0,
                at + 4.0,
                line.colour,
                html(&line.label),
                typeset(&shorten(&line.label, 26))
            );
        }
    }
}

/// The opening tag of a drawing that scales to the width of its place.
#[must_use]
pub fn open(width: f64, height: f64, title: &str) -> String {
    format!("<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">", html(title))
}

/// Turns a drawing into an SVG file `width` pixels wide: adds the name space (an identifier that no viewer fetches),
/// style and background.
#[must_use]
pub fn standalone(drawing: &str, width: f64) -> String {
    let style = include_str!("style.css");
    let head =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" style=\"background:var(--bg)\" ");
    let body = drawing.replacen('>', &format!("><style>{style}</style>"), 1);
    // A page has margins. A file needs its own.
    let sizes = body.split('"').nth(1).and_then(|b| b.strip_prefix("0 0 ")?.split_once(' '));
    let (w, h) =
        sizes.and_then(|(w, h)| Some((w.parse::<f64>().ok()?, h.parse::<f64>().ok()?))).unwrap_or((width, width));
    let roomy = format!("viewBox=\"-16 -12 {} {}\"", w + 32.0, h + 20.0);
    let body = body.replacen(&format!("viewBox=\"0 0 {w} {h}\""), &roomy, 1);
    body.replacen("<svg ", &head, 1) + "\n"
}

fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::with_capacity(12 * points.len());
    for (i, (x, y)) in points.iter().enumerate() {
        let _ = write!(out, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Axis::new(Scale::Linear, (0.0, 8.0), 5, true).ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Axis::new(Scale::Linear, (1.0, 3.0), 5, true).ticks, [1.0, 2.0, 3.0]);
        assert_eq!(Axis::new(Scale::Linear, (1.0, 15.0), 5, true).ticks, [1.0, 5.0, 10.0, 15.0]);
        assert_eq!(Axis::new(Scale::Linear, (0.0, 1.04), 4, true).ticks, [0.0, 1.0]);
        assert_eq!(Axis::new(Scale::Log, (0.01, 1.0), 4, false).ticks, [0.01, 0.1, 1.0]);
    }
}
