//! The raster of a layer: what the α of each neuron was after each tick, as it follows from the trigger times and ψ.

use super::image;
use super::source::{Onsets, Run};
use crate::config::{Clock, Latch, Rule};
use crate::rule::member::Member;
use crate::rule::psi::{Slot, psi};
use crate::rule::schedule;

/// Most columns and most rows: about what a screen shows.
const COLUMNS: u64 = 256;
const ROWS: usize = 1024;
/// Cells of a raster: α is 0, the neuron has not triggered, and from [`FALLING`] on the steps from α0 down to 0.
const FROZEN: u8 = 0;
const WAITING: u8 = 1;
const FALLING: u8 = 2;
/// Steps of the colour scale of a falling α.
const STEPS: u8 = 50;
/// Bars of a histogram: frozen, ten tenths of α0, and not triggered.
pub const BARS: usize = 12;
/// The colour of neurons that have not triggered. Blue, scale and grey stand apart for protanopes, deuteranopes and
/// tritanopes too, in light and dark.
const BLUE: [u8; 3] = [47, 111, 208];
/// The scale of a falling α from α0 to 0. Its lightness falls from end to end, so that it reads without its hues.
const SCALE: [[u8; 3]; 3] = [[255, 219, 84], [242, 133, 48], [205, 60, 60]];

/// The moments that a report shows.
#[derive(Debug)]
pub struct Timeline {
    /// What is counted: `epoch` or `tick`.
    pub unit: &'static str,
    /// The last moment; the first is 0, the start of training.
    pub last: u32,
    /// At most [`COLUMNS`] moments from 0 to `last`, evenly spread.
    pub moments: Vec<u32>,
    /// The last epoch.
    epochs: u32,
}

impl Timeline {
    /// The moments of a run: its ticks if it has a trace, and else its epochs.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let epochs = run.last().epoch;
        let (unit, last) = match (&run.onsets, run.config.rule.clock) {
            (Some(onsets), Clock::Epoch) => ("epoch", onsets.known.min(epochs)),
            (Some(onsets), Clock::Steps(_)) => {
                // A run that stopped early made as great a share of its ticks as of its epochs, rounded down.
                let made =
                    u64::from(onsets.ticks) * u64::from(epochs) / u64::from(run.config.run.epochs.max(epochs).max(1));
                let seen = onsets.layers.iter().flatten().max().copied().unwrap_or(0);
                ("tick", (made as u32).max(seen).min(onsets.known))
            }
            (None, _) => ("epoch", epochs),
        };
        let columns = (u64::from(last) + 1).min(COLUMNS);
        let moment = |column: u64| (column * u64::from(last) / (columns - 1).max(1)) as u32;
        Self { unit, last, moments: (0..columns).map(moment).collect(), epochs }
    }

    /// The epochs that were over at a moment.
    #[must_use]
    pub fn epoch(&self, moment: u32) -> u32 {
        (u64::from(moment) * u64::from(self.epochs) / u64::from(self.last.max(1))) as u32
    }
}

/// The α of every slot of a layer over a [`Timeline`].
#[derive(Debug)]
pub struct Raster {
    /// The slots, each of which has an α.
    pub slots: usize,
    /// The ticks at which slots triggered, in order, without those that never did.
    pub triggered: Vec<u32>,
    /// How many slots are in each bar of the histogram, at each moment.
    pub counts: Vec<[usize; BARS]>,
    /// Rows of the picture.
    pub rows: usize,
    /// One cell per moment and row; the top row triggered last.
    cells: Vec<u8>,
}

/// The trigger times of a run, if α follows from them; else the reason why not.
///
/// # Errors
/// With the reason.
pub fn onsets(run: &Run) -> Result<&Onsets, String> {
    let config = &run.config;
    if config.rule.kind != Rule::Psi {
        return Err(format!("rule {} has no trigger", config.rule.kind));
    }
    if config.rule.latch == Latch::Gated {
        return Err("a fall that can pause does not follow from its trigger time".into());
    }
    if config.network.init.is_some() && !config.network.fresh_alpha {
        return Err("the run began with the α of another run".into());
    }
    run.onsets.as_ref().ok_or_else(|| "no file of the run holds its trigger times".into())
}

impl Raster {
    /// The raster of layer `l`.
    #[must_use]
    pub fn of(run: &Run, onsets: &Onsets, l: usize, timeline: &Timeline) -> Self {
        let member = Member::new(&run.config, &run.config, onsets.ticks);
        let mut sorted = onsets.layers[l].clone();
        sorted.sort_unstable_by_key(|&onset| place(onset));
        // Slots that triggered at the same tick share their α, so one evaluation per trigger tick suffices.
        let groups: Vec<(u32, usize)> = sorted.chunk_by(|a, b| a == b).map(|group| (group[0], group.len())).collect();
        let rows = sorted.len().min(ROWS);
        let of_row = |row: usize| {
            let onset = sorted[(2 * (rows - 1 - row) + 1) * sorted.len() / (2 * rows)];
            groups.partition_point(|group| place(group.0) < place(onset))
        };
        let of_rows: Vec<usize> = (0..rows).map(of_row).collect();
        let columns = timeline.moments.len();
        let (mut cells, mut counts) = (vec![FROZEN; rows * columns], vec![[0; BARS]; columns]);
        for (column, &t) in timeline.moments.iter().enumerate() {
            let scale = schedule::scale(&run.config, None, (l, onsets.layers.len()), t, onsets.ticks);
            let cell = |&(onset, _): &(u32, usize)| {
                let slot = Slot::latched(onset, t);
                cell(scale * f64::from(psi(&member, &slot)), slot.n == 0.0)
            };
            let found: Vec<u8> = groups.iter().map(cell).collect();
            for (&cell, group) in found.iter().zip(&groups) {
                counts[column][bar(cell)] += group.1;
            }
            of_rows.iter().enumerate().for_each(|(row, &group)| cells[row * columns + column] = found[group]);
        }
        sorted.retain(|&onset| onset != 0);
        Self { slots: onsets.layers[l].len(), triggered: sorted, counts, rows, cells }
    }

    /// The picture, one pixel per cell, as a `data:` address. Frozen cells are transparent.
    #[must_use]
    pub fn picture(&self) -> String {
        let [r, g, b] = BLUE;
        let falling = (0..STEPS).map(|step| {
            let [r, g, b] = scale_at((f64::from(step) + 0.5) / f64::from(STEPS));
            [r, g, b, 255]
        });
        let palette: Vec<[u8; 4]> = [[0; 4], [r, g, b, 255]].into_iter().chain(falling).collect();
        image::indexed(&self.cells, self.counts.len(), &palette)
    }
}

/// The place of a trigger time in the order of triggers: slots that never triggered (0) come last.
#[must_use]
pub const fn place(onset: u32) -> u32 {
    onset.wrapping_sub(1)
}

/// The cell of an α that is `ratio` times α0.
fn cell(ratio: f64, waiting: bool) -> u8 {
    match ratio {
        ratio if ratio <= 0.0 => FROZEN,
        _ if waiting => WAITING,
        ratio => FALLING + ((f64::from(STEPS) * (1.0 - ratio)).max(0.0) as u8).min(STEPS - 1),
    }
}

/// The bar of the histogram that counts a cell.
fn bar(cell: u8) -> usize {
    match cell {
        FROZEN => 0,
        WAITING => BARS - 1,
        falling => BARS - 2 - usize::from(falling - FALLING) * (BARS - 2) / usize::from(STEPS),
    }
}

/// The colour of the scale after a share of the fall.
fn scale_at(share: f64) -> [u8; 3] {
    let at = share * (SCALE.len() - 1) as f64;
    let below = (at as usize).min(SCALE.len() - 2);
    let mix = |c: usize| {
        let (a, b) = (f64::from(SCALE[below][c]), f64::from(SCALE[below + 1][c]));
        (a + (b - a) * (at - below as f64)).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

fn css([r, g, b]: [u8; 3]) -> String {
    format!("rgb({r},{g},{b})")
}

/// The CSS colour of a bar of the histogram.
#[must_use]
pub fn colour_of_bar(bar: usize) -> String {
    match bar {
        0 => "var(--frozen)".into(),
        bar if bar == BARS - 1 => css(BLUE),
        bar => css(scale_at(((BARS - 2 - bar) as f64 + 0.5) / (BARS - 2) as f64)),
    }
}

/// The CSS background of the whole scale, from α0 to 0.
#[must_use]
pub fn gradient() -> String {
    format!("linear-gradient(to right,{})", SCALE.map(css).join(","))
}
