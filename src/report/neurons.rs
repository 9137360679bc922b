//! The section on each neuron over time: rasters of α and their histograms, the weights of the first layer beside them,
//! and the slider that plays them.

use super::html::Page;
use super::raster::{self, BARS, Raster, Timeline, colour_of_bar, gradient};
use super::source::Run;
use super::svg::{Chart, open};
use super::weights::Film;
use crate::text::counted;
use std::fmt::Write;

/// Size of a raster and width of a histogram, in pixels.
const RASTER: (f64, f64) = (440.0, 250.0);
const HISTOGRAM: f64 = 300.0;

/// Writes the section.
pub fn write(page: &mut Page, run: &Run) {
    let timeline = Timeline::of(run);
    let onsets = raster::onsets(run);
    let noun = if run.config.slots_per_weight() { "weight" } else { "neuron" };
    let rasters: Vec<Raster> = onsets
        .iter()
        .flat_map(|onsets| (0..onsets.layers.len()).map(|l| Raster::of(run, onsets, l, &timeline)))
        .collect();
    let first = onsets.as_ref().ok().and_then(|onsets| onsets.layers.first()).map(Vec::as_slice);
    let film = Film::of(run, first, timeline.unit);
    let remark = match &onsets {
        Ok(_) => format!(
            "α of every {noun} after each {}. The {noun}s of a layer are stacked, the first to trigger at the bottom, so a \
             column is also the histogram of α at that {}.",
            timeline.unit, timeline.unit
        ),
        Err(reason) => format!("No raster of α: {reason}."),
    };
    page.section("neurons", "Neuron by neuron", &remark);
    let is_played = !rasters.is_empty() || film.as_ref().is_some_and(|film| film.epochs.len() > 1);
    if !rasters.is_empty() {
        page.raw(&legend());
    }
    if is_played {
        page.raw(&player(&timeline));
    }
    film.iter().flat_map(|film| &film.notes).for_each(|note| page.remark(note));
    page.raw("<div class=\"beside\">");
    if !rasters.is_empty() {
        let layer = |(l, raster): (usize, &Raster)| layer(l, raster, &timeline, noun);
        page.raw(&format!("<div>{}</div>", rasters.iter().enumerate().map(layer).collect::<String>()));
    }
    if let Some(film) = film {
        page.raw(&film.markup(&timeline));
    }
    page.raw("</div>");
    if is_played {
        page.script(include_str!("play.js"));
    }
}

fn legend() -> String {
    format!(
        "<p class=\"legend\"><span><i style=\"background:{}\"></i>not triggered</span>\
         <span><i class=\"scale\" style=\"background:{}\"></i>triggered: α falls from α0 to 0</span>\
         <span><i style=\"background:{}\"></i>frozen: α is 0</span></p>",
        colour_of_bar(BARS - 1),
        gradient(),
        colour_of_bar(0)
    )
}

fn player(timeline: &Timeline) -> String {
    let moments: Vec<String> = timeline.moments.iter().map(u32::to_string).collect();
    let last = moments.len() - 1;
    format!(
        "<div class=\"player\" data-unit=\"{}\" data-moments=\"{}\"><button type=\"button\" aria-label=\"play\">▶</button>\
         <input type=\"range\" min=\"0\" max=\"{last}\" value=\"{last}\" aria-label=\"{}\"><output></output></div>",
        timeline.unit,
        moments.join(" "),
        timeline.unit
    )
}

/// The raster of a layer, the histogram of its last moment, and what they show in a sentence.
fn layer(l: usize, raster: &Raster, timeline: &Timeline, noun: &str) -> String {
    let last = f64::from(timeline.last);
    // Each column is as wide as the time between two moments.
    let half = 0.5 * (last / (timeline.moments.len() - 1).max(1) as f64).max(1.0);
    let mut chart = Chart::new(format!("Layer {}: α of {}", l + 1, counted(raster.slots, noun)), timeline.unit)
        .sized(RASTER.0, RASTER.1)
        .counting()
        .x_range(-half, last + half)
        .y_range(0.0, raster.slots as f64)
        .named_y(format!("{noun}s"));
    chart.picture(raster.picture());
    let counts: Vec<String> = raster.counts.iter().map(|bars| bars.map(|count| count.to_string()).join(" ")).collect();
    format!(
        "<figure class=\"layer\"><div>{}</div><div data-counts=\"{}\">{}</div><figcaption>{}</figcaption></figure>",
        chart.render(),
        counts.join(";"),
        histogram(l, raster, noun),
        sentence(raster, timeline, noun)
    )
}

fn histogram(l: usize, raster: &Raster, noun: &str) -> String {
    let (height, top, bottom) = (RASTER.1, 62.0, 36.0);
    let (step, full, base) = (HISTOGRAM / BARS as f64, height - top - bottom, height - bottom);
    let mut out = open(HISTOGRAM, height, &format!("How many {noun}s of layer {} have which α", l + 1));
    let _ = write!(out, "<text class=\"title\" x=\"0\" y=\"14\">Histogram of α</text>");
    let counts = &raster.counts[raster.counts.len() - 1];
    for (i, &count) in counts.iter().enumerate() {
        let x = step * i as f64;
        let label = if count > 0 { count.to_string() } else { String::new() };
        let _ = write!(
            out,
            "<g style=\"--share:{:.4}\"><rect class=\"bar\" x=\"{:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{full}\" style=\"fill:{}\"/>\
             <text class=\"mid count\" x=\"{:.1}\" y=\"{}\" style=\"--height:{full}px\">{label}</text></g>",
            count as f64 / raster.slots as f64,
            x + 1.0,
            step - 2.0,
            colour_of_bar(i),
            x + 0.5 * step,
            base - 5.0
        );
    }
    let _ = write!(out, "<path class=\"axis\" d=\"M0 {base}H{HISTOGRAM}\"/>");
    for (x, class, text) in
        [(0.0, "tick", "α = 0"), (0.5 * HISTOGRAM, "tick mid", "falling"), (HISTOGRAM, "tick end", "not triggered")]
    {
        let _ = write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{}\">{text}</text>", base + 15.0);
    }
    out + "</svg>"
}

/// What a raster shows.
fn sentence(raster: &Raster, timeline: &Timeline, noun: &str) -> String {
    let (Raster { slots, triggered, counts, rows, .. }, unit) = (raster, timeline.unit);
    let mut text = match triggered.len() {
        0 => format!("None of {} triggered.", counted(*slots, noun)),
        n => format!(
            "{n} of {} triggered, half of them by {unit} {}; {} frozen after {unit} {}.",
            counted(*slots, noun),
            triggered[(n - 1) / 2],
            counts[counts.len() - 1][0],
            timeline.last
        ),
    };
    if rows < slots {
        let _ = write!(text, " A row stands for about {} {noun}s.", slots / rows);
    }
    text
}
