//! Tests the rasters, histograms and weight pictures in the report of a run against trigger times, the definition of ψ and
//! the weights on disk.

use crate::program::{Folder, succeed};
use crate::report::{needs_no_network, well_formed};
use base64::Engine as _;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;

/// A picture: its width, one cell per pixel, and the colour of each cell as red, green, blue, opacity.
struct Picture {
    width: usize,
    cells: Vec<u8>,
    palette: Vec<[u8; 4]>,
}

impl Picture {
    fn colour(&self, row: usize, column: usize) -> [u8; 4] {
        self.palette[usize::from(self.cells[row * self.width + column])]
    }

    fn rows(&self) -> usize {
        self.cells.len() / self.width
    }
}

/// The pictures of a page whose addresses stand in an attribute, in order.
fn pictures(page: &str, attribute: &str) -> Vec<Picture> {
    let starts = format!("{attribute}=\"data:image/png;base64,");
    let read = |rest: &str| {
        let file = base64::engine::general_purpose::STANDARD.decode(rest.split('"').next().unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().unwrap();
        let mut packed = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut packed).unwrap();
        assert_eq!(frame.bit_depth, png::BitDepth::Eight);
        let (colours, opacity) = (reader.info().palette.clone().unwrap(), reader.info().trns.clone().unwrap());
        let entry = |(colour, opacity): (&[u8], &u8)| [colour[0], colour[1], colour[2], *opacity];
        let palette = colours.chunks(3).zip(opacity.iter()).map(entry).collect();
        packed.truncate(frame.buffer_size());
        Picture { width: frame.width as usize, cells: packed, palette }
    };
    page.split(&starts).skip(1).map(read).collect()
}

/// The values of an attribute, wherever it stands.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Trains 4-`hidden`-3 on Iris for 6 epochs; α falls in a line over 3 ticks.
fn iris(folder: &Folder, hidden: &str, more: &[&str]) -> String {
    folder.iris("run", &[&["--hidden", hidden, "--decay-ticks", "3"], more].concat())
}

fn write_trace(folder: &Folder, ticks: u32, layers: &[&[u32]]) {
    let bytes: Vec<Vec<u8>> =
        layers.iter().map(|layer| layer.iter().flat_map(|onset| onset.to_le_bytes()).collect()).collect();
    let tensors = layers.iter().zip(&bytes).enumerate().map(|(l, (layer, bytes))| {
        (format!("layers.{l}.onset"), TensorView::new(Dtype::U32, vec![layer.len()], bytes).unwrap())
    });
    let metadata = HashMap::from([("ticks".to_owned(), ticks.to_string())]);
    let trace = safetensors::serialize(tensors, Some(metadata)).unwrap();
    std::fs::write(folder.name("run/trace.safetensors"), trace).unwrap();
}

fn report(folder: &Folder, run: &str) -> String {
    let out = folder.name("page.html");
    succeed(&["report", run, "-o", &out, "--force"]);
    let page = std::fs::read_to_string(out).unwrap();
    well_formed(&page);
    needs_no_network(&page);
    page
}

/// α/α0 after tick `t`, of the definition: 1 before the trigger, then max(0, 1 − n/N), n = 1 at the trigger.
fn alpha(onset: u32, t: u32) -> f64 {
    if onset == 0 || t < onset { 1.0 } else { (1.0 - f64::from(t - onset + 1) / 3.0).max(0.0) }
}

#[test]
fn rasters_and_histograms_are_alpha_of_every_neuron() {
    let folder = Folder::new();
    let run = iris(&folder, "9", &[]);
    let layers: [&[u32]; 2] = [&[3, 0, 1, 6, 3, 2, 0, 5, 4], &[0, 2, 6]];
    write_trace(&folder, 6, &layers);
    let page = report(&folder, &run);
    let rasters = pictures(&page, "href");
    let histograms = attributes(&page, "data-counts");
    assert_eq!((rasters.len(), histograms.len()), (2, 2));
    for ((raster, counts), onsets) in rasters.iter().zip(histograms).zip(layers) {
        assert_eq!((raster.width, raster.rows()), (7, onsets.len()), "ticks 0 … 6, all neurons");
        let mut order = onsets.to_vec();
        // The top row is the last: a neuron that never triggered, if there is one.
        order.sort_by_key(|&onset| std::cmp::Reverse(if onset == 0 { 99 } else { onset }));
        assert_eq!(order[0], if onsets.contains(&0) { 0 } else { 6 });
        let waiting = raster.colour(0, 0);
        let mut falling: Vec<(f64, u32)> = vec![];
        for (row, &onset) in order.iter().enumerate() {
            for t in 0..=6 {
                let (colour, expected) = (raster.colour(row, t as usize), alpha(onset, t));
                let case = format!("onset {onset}, tick {t}: {colour:?}");
                let is_waiting = onset == 0 || t < onset;
                assert_eq!(colour[3] == 0, expected == 0.0, "frozen neurons are transparent: {case}");
                assert_eq!(colour == waiting, is_waiting, "{case}");
                if expected > 0.0 && !is_waiting {
                    falling.push((expected, colour[..3].iter().map(|&part| u32::from(part)).sum()));
                }
            }
        }
        falling.sort_by(|a, b| a.0.total_cmp(&b.0));
        let darker =
            |pair: &[(f64, u32)]| if pair[0].0 == pair[1].0 { pair[0].1 == pair[1].1 } else { pair[0].1 < pair[1].1 };
        assert!(falling.windows(2).all(darker), "a smaller α is darker: {falling:?}");
        for (t, column) in counts.split(';').enumerate() {
            let mut expected = [0; 12];
            for &onset in onsets {
                let ratio = alpha(onset, t as u32);
                let bar = match ratio {
                    0.0 => 0,
                    _ if onset == 0 || (t as u32) < onset => 11,
                    ratio => (10.0 * ratio).ceil() as usize,
                };
                expected[bar] += 1;
            }
            assert_eq!(
                column.split(' ').map(|count| count.parse::<usize>().unwrap()).collect::<Vec<_>>(),
                expected,
                "tick {t}"
            );
        }
    }
    assert!(
        page.contains("7 of 9 neurons triggered, half of them by epoch 3; 5 frozen after epoch 6."),
        "onsets 1 … 4"
    );
    assert!(!page.contains("Deciles"));
}

#[test]
fn layers_of_one_neuron_and_layers_without_triggers_have_rasters() {
    let folder = Folder::new();
    let run = iris(&folder, "1", &["--theta", "1e9"]);
    let page = report(&folder, &run);
    let rasters = pictures(&page, "href");
    assert_eq!(rasters.iter().map(Picture::rows).collect::<Vec<_>>(), [1, 3]);
    for raster in rasters {
        assert!(raster.cells.iter().all(|cell| *cell == raster.cells[0]), "no neuron ever changes");
        assert_eq!(raster.palette[usize::from(raster.cells[0])][3], 255, "and none is frozen");
    }
    assert!(page.contains("None of 1 neuron triggered.") && page.contains("None of 3 neurons triggered."));
}

#[test]
fn runs_without_known_rates_say_why_they_have_no_raster() {
    let cases: [(&[&str], &str); 3] = [
        (&["--rule", "constant"], "rule constant has no trigger"),
        (&["--latch", "gated"], "a fall that can pause"),
        (&[], "no file of the run holds its trigger times"),
    ];
    for (more, reason) in cases {
        let folder = Folder::new();
        let run = iris(&folder, "4", more);
        let _ = std::fs::remove_file(folder.name("run/trace.safetensors"));
        std::fs::remove_dir_all(folder.name("run/checkpoints")).unwrap();
        let page = report(&folder, &run);
        assert!(page.contains(&format!("No raster of α: {reason}")), "{reason}");
        assert!(pictures(&page, "href").is_empty() && !page.contains("<script"), "nothing to play: {reason}");
    }
}

/// Checkpoints know the triggers up to their place, so a run that was stopped has rasters too.
#[test]
fn rasters_of_a_run_that_was_stopped_end_with_its_newest_checkpoint() {
    for clock in ["epoch", "steps:40"] {
        let folder = Folder::new();
        let run = iris(&folder, "9", &["--keep", "9", "--theta", "2", "--clock", clock]);
        let whole = report(&folder, &run);
        std::fs::remove_file(folder.name("run/trace.safetensors")).unwrap();
        assert_eq!(pictures(&report(&folder, &run), "href").len(), 2);
        for epoch in 4..=6 {
            std::fs::remove_file(folder.name(&format!("run/checkpoints/{:06}-00000000.safetensors", epoch + 1)))
                .unwrap();
        }
        let part = report(&folder, &run);
        let columns = |page: &str| -> Vec<Vec<String>> {
            let split = |counts: &str| counts.split(';').map(str::to_owned).collect();
            attributes(page, "data-counts").into_iter().map(split).collect()
        };
        let mut seen = 0;
        for (whole, part) in columns(&whole).into_iter().zip(columns(&part)) {
            // An epoch has 135 steps, so three epochs have ten ticks of 40 steps.
            assert!(part.len() > 3 && part.len() < whole.len(), "{clock}: {} of {}", part.len(), whole.len());
            assert_eq!(part[..], whole[..part.len()], "{clock}");
            seen += usize::from(part[0] != part[part.len() - 1]);
        }
        assert!(seen > 0, "{clock}: a neuron triggers in the first epochs");
    }
}

/// 4096 neurons, each with a trigger time of its own draw, over 100 epochs.
#[test]
fn a_report_of_a_wide_layer_stays_small() {
    let folder = Folder::new();
    let run = iris(&folder, "9", &[]);
    let first: serde_json::Value =
        serde_json::from_str(folder.read("run/metrics.jsonl").lines().next().unwrap()).unwrap();
    let line = |epoch: u32| {
        let mut line = first.clone();
        line["epoch"] = epoch.into();
        line.to_string() + "\n"
    };
    std::fs::write(folder.name("run/metrics.jsonl"), (1..=100).map(line).collect::<String>()).unwrap();
    let wide: Vec<u32> = (0..4096u32).map(|i| i.wrapping_mul(2_654_435_761) % 101).collect();
    write_trace(&folder, 100, &[&wide, &[1, 2, 3]]);
    let page = report(&folder, &run);
    let rasters = pictures(&page, "href");
    assert_eq!((rasters[0].width, rasters[0].rows()), (101, 1024));
    assert!(page.contains("A row stands for about 4 neurons."));
    assert!(page.len() < 300_000, "{}", page.len());
}

/// The weights of the first layer, `[n_in + 1, n_out]`, in the checkpoint after an epoch.
fn kept(folder: &Folder, epoch: usize) -> Vec<f32> {
    let content =
        std::fs::read(folder.name(&format!("run/checkpoints/{:06}-00000000.safetensors", epoch + 1))).unwrap();
    let file = SafeTensors::deserialize(&content).unwrap();
    let tensor = file.tensor("layers.0.weights").unwrap();
    tensor.data().as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

#[test]
fn weights_are_shown_at_every_kept_epoch_in_the_order_of_triggers() {
    let folder = Folder::new();
    let run = folder.images("run", &["--keep", "9"]);
    write_trace(&folder, 3, &[&[2, 0, 1, 3, 0, 2, 1, 3], &[0, 1, 2]]);
    let page = report(&folder, &run);
    assert_eq!(attributes(&page, "data-epochs"), ["1 2 3"]);
    assert_eq!(attributes(&page, "data-frames"), ["0 0 1 2"], "of the epochs 0 … 3");
    let order = [2, 6, 0, 5, 3, 7, 1, 4];
    let named: Vec<String> = order.iter().map(|j| format!("weights of neuron {j}")).collect();
    let alts: Vec<&str> = attributes(&page, "alt").into_iter().filter(|alt| alt.starts_with("weights of")).collect();
    assert_eq!(alts, named);
    for onset in ["1", "2", "3", "never"] {
        assert_eq!(page.matches(&format!("<figcaption>{onset}</figcaption>")).count(), 2, "{onset}");
    }
    let weights: Vec<Vec<f32>> = (1..=3).map(|epoch| kept(&folder, epoch)).collect();
    let images = page.split("<section id=\"weights\"").nth(1).unwrap().split("</section>").next().unwrap();
    let tiles = pictures(images, "src");
    let largest = weights.iter().flatten().fold(0.0f32, |most, w| most.max(w.abs()));
    let mut compared = 0;
    for (tile, j) in tiles.iter().zip(order) {
        assert_eq!((tile.width, tile.rows()), (6, 18), "three frames of 6 × 6");
        for (frame, weights) in weights.iter().enumerate() {
            for i in 0..36 {
                let (w, [red, _, blue, _]) = (weights[i * 8 + j], tile.colour(6 * frame + i / 6, i % 6));
                if w.abs() > 0.1 * largest {
                    assert_eq!(w > 0.0, blue > red, "frame {frame}, neuron {j}, input {i}: {w}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
    // A damaged checkpoint is left out with the reason.
    let file = folder.name("run/checkpoints/000003-00000000.safetensors");
    let mut content = std::fs::read(&file).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&file, content).unwrap();
    let page = report(&folder, &run);
    assert_eq!(attributes(&page, "data-epochs"), ["1 3"]);
    assert!(page.contains("A checkpoint cannot be read:") && page.contains("its checksum does not fit"));
}

/// Of many neurons that triggered at once and few that triggered later, a report shows all of the few.
#[test]
fn weights_of_all_trigger_times_are_shown() {
    let folder = Folder::new();
    let run = folder.images("run", &["--hidden", "70"]);
    let mut onsets = [1; 70];
    [onsets[7], onsets[33], onsets[40]] = [0, 3, 2];
    write_trace(&folder, 3, &[&onsets, &[0, 1, 2]]);
    let page = report(&folder, &run);
    let alts: Vec<&str> = attributes(&page, "alt").into_iter().filter(|alt| alt.starts_with("weights of")).collect();
    assert_eq!(alts.len(), 36);
    assert_eq!(alts[33..], [40, 33, 7].map(|j| format!("weights of neuron {j}")));
    let mut different = alts.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 36);
}

/// However many checkpoints a run keeps, a page shows a bounded number.
#[test]
fn a_report_shows_a_bounded_number_of_checkpoints() {
    let folder = Folder::new();
    let run = folder.images("run", &["--keep", "99", "--epochs", "40"]);
    let page = report(&folder, &run);
    let epochs: Vec<u32> = attributes(&page, "data-epochs")[0].split(' ').map(|epoch| epoch.parse().unwrap()).collect();
    assert!(epochs.len() <= 24 && epochs.is_sorted(), "{epochs:?}");
    assert_eq!((epochs[0], epochs[epochs.len() - 1]), (1, 40), "the first and the last");
}
