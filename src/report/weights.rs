//! The weights of the first layer as pictures, where the inputs form an image: of neurons from the first to trigger to the
//! last, at every epoch of which the run keeps the weights.

use super::image;
use super::raster::{Timeline, place};
use super::source::Run;
use super::text::number;
use crate::model::file::Model;
use crate::run::{Checkpoint, RunDirectory};
use std::fmt::Write;
use std::path::PathBuf;

/// Most neurons whose weights are drawn.
const NEURONS: usize = 36;
/// Largest side of a picture, in pixels.
const SIDE: usize = 40;
/// Most epochs of which the weights are drawn.
const FRAMES: usize = 24;
/// Most pixels of all pictures. A pixel takes about 0.7 bytes of the page.
const PIXELS: usize = 200_000;

/// The pictures of one run.
#[derive(Debug)]
pub struct Film {
    /// The epochs after which the weights were as shown, in order, at least one.
    pub epochs: Vec<u32>,
    /// One picture for each drawn neuron: all frames, one below the other.
    tiles: Vec<String>,
    /// What the pictures show.
    remark: String,
    /// Why a checkpoint is left out.
    pub notes: Vec<String>,
}

impl Film {
    /// The pictures of `run`, whose first neurons triggered at `onsets`. `None` where the inputs form no image.
    #[must_use]
    pub fn of(run: &Run, onsets: Option<&[u32]>, unit: &str) -> Option<Self> {
        let model = run.model.as_ref()?;
        let layer = &model.layers[0];
        let (height, width) = shape(model)?;
        let onsets = onsets.filter(|onsets| onsets.len() == layer.n_out);
        let neurons = chosen(layer.n_out, onsets);
        let fits = |side: usize| (side * SIDE / height.max(width).max(SIDE)).max(1);
        let (rows, columns) = (fits(height), fits(width));
        // Only what the page shows is kept of each state, because states may be large.
        let small = |weights: &[f32]| -> Vec<Vec<f32>> {
            let column = |j: usize| (0..layer.n_in).map(|i| weights[i * layer.n_out + j]).collect::<Vec<f32>>();
            neurons.iter().map(|&j| image::shrunk(&column(j), width, (columns, rows)).0).collect()
        };
        let most = (PIXELS / (rows * columns * neurons.len())).clamp(1, FRAMES);
        let (mut epochs, mut frames, mut notes) = (vec![], vec![], vec![]);
        for (epoch, file) in earlier(run, most - 1) {
            match Checkpoint::first_weights(&file) {
                Ok(weights) if weights.len() == layer.weights.len() => {
                    epochs.push(epoch);
                    frames.push(small(&weights));
                }
                Ok(_) => notes.push(format!("{} is of another network.", file.display())),
                Err(error) => notes.push(format!("A checkpoint cannot be read: {error}.")),
            }
        }
        epochs.push(epoch(run));
        frames.push(small(&layer.weights));
        let mut sizes: Vec<f32> = frames.iter().flatten().flatten().map(|w| w.abs()).collect();
        sizes.sort_by(f32::total_cmp);
        // A few large weights must not make all others pale.
        let full = sizes[(sizes.len() - 1) * 199 / 200].max(f32::MIN_POSITIVE);
        let tile = |(k, &j): (usize, &usize)| {
            let strip: Vec<f32> = frames.iter().flat_map(|frame| &frame[k]).map(|w| w / full).collect();
            let picture = image::diverging(&strip, columns);
            let when = onsets.map(|onsets| if onsets[j] == 0 { "never".into() } else { onsets[j].to_string() });
            let caption = when.map_or(String::new(), |when| format!("<figcaption>{when}</figcaption>"));
            format!(
                "<figure><img style=\"aspect-ratio:{columns}/{rows}\" title=\"neuron {j}\" alt=\"weights of neuron {j}\" \
                 src=\"{picture}\">{caption}</figure>"
            )
        };
        let tiles = neurons.iter().enumerate().map(tile).collect();
        let of = match neurons.len() {
            shown if shown < layer.n_out => format!("{shown} of {} neurons", layer.n_out),
            shown => format!("All {shown} neurons"),
        };
        let order = match onsets {
            Some(_) => format!(", from the first to trigger to the last, with the {unit} of the trigger"),
            None if neurons.len() < layer.n_out => ", evenly spread".into(),
            None => String::new(),
        };
        let remark =
            format!("{of}{order}. Blue is above zero, orange below; full colour from ±{}.", number(f64::from(full)));
        Some(Self { epochs, tiles, remark, notes })
    }

    /// The markup of the pictures, with the frame that belongs to each moment of `timeline`.
    #[must_use]
    pub fn markup(&self, timeline: &Timeline) -> String {
        let frame = |&moment: &u32| {
            self.epochs.partition_point(|&epoch| epoch <= timeline.epoch(moment)).saturating_sub(1).to_string()
        };
        let frames: Vec<String> = timeline.moments.iter().map(frame).collect();
        let epochs: Vec<String> = self.epochs.iter().map(u32::to_string).collect();
        let (frames, epochs) = (frames.join(" "), epochs.join(" "));
        let mut out = format!(
            "<section id=\"weights\" data-frames=\"{frames}\" data-epochs=\"{epochs}\"><h3>First layer: weights from each \
             input, after epoch <span class=\"epoch\">{}</span></h3><p class=\"remark\">{}</p>",
            self.epochs[self.epochs.len() - 1],
            self.remark
        );
        let _ = write!(out, "<div class=\"tiles film\">{}</div></section>", self.tiles.concat());
        out
    }
}

/// The neurons to draw, in the order of their triggers: at most [`NEURONS`], spread over the trigger times.
fn chosen(neurons: usize, onsets: Option<&[u32]>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..neurons).collect();
    order.sort_by_key(|&j| onsets.map(|onsets| place(onsets[j])));
    let alike = |a: &usize, b: &usize| onsets.is_none_or(|onsets| onsets[*a] == onsets[*b]);
    spread(&order.chunk_by(alike).collect::<Vec<_>>(), neurons.min(NEURONS))
}

/// `count` members of these groups, in order: equally many of each group, as far as its size allows.
fn spread(groups: &[&[usize]], count: usize) -> Vec<usize> {
    if groups.len() > count {
        return (0..count).map(|k| groups[k * (groups.len() - 1) / (count - 1).max(1)][0]).collect();
    }
    let mut shares = vec![0; groups.len()];
    let mut left = count;
    while left > 0 {
        for (share, group) in shares.iter_mut().zip(groups) {
            if left > 0 && *share < group.len() {
                (*share, left) = (*share + 1, left - 1);
            }
        }
    }
    let members =
        |(group, share): (&&[usize], usize)| (0..share).map(|k| group[k * group.len() / share]).collect::<Vec<_>>();
    groups.iter().zip(shares).flat_map(members).collect()
}

/// The epoch after which the network of `run` was as it is: the last, or the best that early stopping restored.
fn epoch(run: &Run) -> u32 {
    let restored = run.result.get("best").and_then(|best| best.get("epoch")?.as_u64());
    restored.and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(run.last().epoch)
}

/// At most `most` checkpoints from before the end, evenly spread and with the oldest, with their epochs.
fn earlier(run: &Run, most: usize) -> Vec<(u32, PathBuf)> {
    let mut kept = RunDirectory::checkpoints_after_epochs(&run.path);
    kept.retain(|(after, _)| *after < epoch(run));
    let count = kept.len().min(most);
    (0..count).map(|i| kept[i * kept.len() / count].clone()).collect()
}

/// Rows and columns of the image that the inputs of a network form: those of its data, or a square.
fn shape(model: &Model) -> Option<(usize, usize)> {
    let features = model.layers[0].n_in;
    let of_data = model.data.as_ref().and_then(|data| match data.about.image? {
        [rows, columns, 1] if rows.checked_mul(columns) == Some(features) => Some((rows, columns)),
        _ => None,
    });
    let side = image::side(features).map(|side| (side, side));
    // A picture must be neither too small nor a line.
    let is_picture =
        |&(rows, columns): &(usize, usize)| rows.min(columns) >= image::LEAST_SIDE.max(rows.max(columns) / 4);
    of_data.filter(is_picture).or(side)
}
