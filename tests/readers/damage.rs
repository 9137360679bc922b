//! Runs the targets of `tests/fuzz` on small valid files, their prefixes, and copies with changed bytes, so that damage
//! is tested on every change. With `HOMEOSTAT_SEEDS=DIR` the test also writes the valid files, from which fuzzing
//! starts.

#[path = "../fuzz/targets.rs"]
mod targets;

use crate::bytes::{array, gzip, idx, png, two, zip};
use crate::data_seeds::data_seeds;
use homeostat::data::{DataSet, Image, Search, arrays, images, table};
use homeostat::error::Error;
use homeostat::files::to_json;
use homeostat::model::file::{Model, ModelData};
use homeostat::rule::trace::Trace;
use homeostat::run::{Checkpoint, Progress};
use homeostat::sweep::{Plan, Sweep};
use homeostat::train::population::Population;
use homeostat::train::trainer::Position;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use zip::CompressionMethod;

/// The bytes that `write` writes to a file.
fn written(write: impl Fn(&Path) -> homeostat::error::Result<()>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path).unwrap();
    std::fs::read(path).unwrap()
}

const SWEEP: &str = r#"seeds = [1, 2]
random-seed = 3
[base]
preset = "paper-2025"
epochs = 5
[random]
alpha0 = { min = 0.01, max = 1.0, log = true }
warmup = { min = 0, max = 2 }
[[arm]]
name = "psi"
theta = [0.1, 0.2]
hidden = [[3], [4, 5]]
[[arm]]
name = "control"
trace-of = "psi"
replay = "shuffle"
[[arm]]
name = "tuned"
rule = "constant"
random = 2
batch-size = { choice = [1, 2] }
"#;

const METRICS: &str = r#"{"epoch":1,"train_loss":0.5,"train_error":0.25,"test_error":0.5,"alpha_mean":[0.1,0.2],"frozen_fraction":[0,1],"running_loss":0.5,"running_error":0.5,"samples_per_second":10.5,"seconds":1}"#;

/// Small valid files, each with the name of its target.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let images = idx(&[2, 2, 3], &(0..12).collect::<Vec<u8>>());
    let labels = idx(&[2], &[0, 1]);
    let reals: Vec<u8> = (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect();
    let doubles: Vec<u8> = (0..6).flat_map(|value| f64::from(value).to_le_bytes()).collect();
    let u1 = array("|u1", "False", "(2, 3)", &[1, 2, 3, 4, 5, 6]);
    let y = array("<i8", "False", "(2,)", &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let (run, config) = (&*targets::RUN, targets::RUN.shared());
    let mut state = run.initial_state().swap_remove(0);
    state.steps = 8;
    let progress = Progress {
        position: Position { epoch: 2, batch: 2 },
        steps: state.steps,
        samples_since_tick: 2,
        running_samples: state.running.samples,
        seconds: 0.5,
        best: Some((0.25, 1)),
        end: None,
        divergence: None,
    };
    let model = Model::from_state(config, &run.topology, &state).unwrap();
    let record =
        r#"{"id":"a-1","arm":"a","seed":1,"final":METRICS,"config":CONFIG,"version":"0","seconds":1,"members":2}"#
            .replace("METRICS", METRICS)
            .replace("CONFIG", &to_json(config).unwrap());
    let sweep = Sweep::parse(Path::new("s.toml"), SWEEP).unwrap();
    let plan = Plan::new(&sweep, &Search::new(None)).unwrap().to_text().unwrap();
    let short_plan = plan.lines().take(3).collect::<Vec<_>>().join("\n");
    let trace = written(|path| {
        Trace::new(config.clone(), &run.topology, state.onsets(), run.ticks()).write(&run.topology, path)
    });
    let sums = format!("# first fetched\n{} *train-images-idx3-ubyte\n{}  x\n", "0f".repeat(32), "A1".repeat(32));
    vec![
        ("idx", two(&images, &labels)),
        ("idx", two(&gzip(&images), &gzip(&labels))),
        ("gz", gzip(&images)),
        ("gz", gzip(&idx(&[2, 400], &[7; 800]))),
        ("csv", b"a,b,class\n1,-2.5e-3,0\r\n\n\"3\", 4 ,1\n".to_vec()),
        ("csv", b"0.5,1,2,1\n1,2,3,0".to_vec()),
        ("npz", zip(&[("x.npy", &u1), ("y.npy", &y)], CompressionMethod::Stored)),
        (
            "npz",
            zip(
                &[("x_train.npy", &u1), ("y_train.npy", &y), ("x_test.npy", &u1), ("y_test.npy", &y)],
                CompressionMethod::Deflated,
            ),
        ),
        ("npy", two(&u1, &y)),
        ("npy", two(&array("<f4", "True", "(2, 3, 1)", &reals), &array("|i1", "False", "(2, 1)", &[0, 1]))),
        ("npy", two(&array("<f8", "False", "(2, 3)", &doubles), &array(">u2", "False", "(2,)", &[0, 1, 0, 0]))),
        ("png", png(png::ColorType::Grayscale, png::BitDepth::Eight, &[255, 0, 255, 255, 20, 255])),
        ("png", png(png::ColorType::Rgba, png::BitDepth::Sixteen, &(0..48).collect::<Vec<u8>>())),
        ("png", png(png::ColorType::Indexed, png::BitDepth::Two, &[0b0001_1000, 0b1101_0000])),
        ("model", written(|path| model.save(path))),
        (
            "checkpoint",
            written(|path| {
                Checkpoint { progress: progress.clone(), state: state.clone() }.write(config, run.checksum(), path)
            }),
        ),
        ("trace", trace.clone()),
        (
            "config",
            b"hidden = [8, 4]\nbasis = \"net2\"\ntheta = 20.0\ndecay-ticks = 30\nclock = \"steps:2\"\n".to_vec(),
        ),
        ("config", b"rule = \"bcm\"\nhidden = [5]\ntheta-sliding = \"1:9\"\nfreeze-out = \"0.5:cubed\"\n".to_vec()),
        ("config", format!(r#"{{"config":{}}}"#, to_json(config).unwrap()).into_bytes()),
        ("sweep", SWEEP.into()),
        ("sweep", b"seeds = 3\nfirst-seed = 7\n[[arm]]\nname = \"a\"\nalpha0 = [0.1, 0.2]\n".to_vec()),
        ("plan", plan.into()),
        ("plan", short_plan.into()),
        ("records", record.clone().into()),
        ("records", format!("{record}\n{{\"id\":\"b\",\"arm\":\"b\",\"seed\":2,\"diverged\":true}}").into()),
        ("records", METRICS.into()),
        (
            "records",
            r#"{"final":{"epoch":2,"test_error":0.1},"best":{"epoch":1},"divergence":{"epoch":2},"config":{"seed":3}}"#
                .into(),
        ),
        ("report", two(METRICS.as_bytes(), &trace)),
        ("report", two(format!("{METRICS}\n{}", METRICS.replace(":1,", ":2,")).as_bytes(), &trace)),
        ("sums", sums.into()),
        ("values", b"800,800".to_vec()),
        ("values", b"to-end".to_vec()),
        ("values", b"62.5%".to_vec()),
        ("values", b"steps:100".to_vec()),
        ("values", b"1.2:10".to_vec()),
        ("values", b"0.5:cubed:scaled".to_vec()),
        ("values", b"normal:0.02".to_vec()),
        ("values", b"784,100,10:32".to_vec()),
        ("values", b"3/4".to_vec()),
        ("values", b"auto".to_vec()),
    ]
    .into_iter()
    .chain(data_seeds(&model_data()))
    .collect()
}

/// What a model of [`targets::RUN`] says about its data.
fn model_data() -> String {
    let (run, config) = (&*targets::RUN, targets::RUN.shared());
    let state = run.initial_state().swap_remove(0);
    let model = Model::of_member(run, 0, config, &state).unwrap();
    to_json(&model.data).unwrap()
}

#[test]
fn readers_survive_damage() {
    let seeds = seeds();
    if let Some(folder) = std::env::var_os("HOMEOSTAT_SEEDS") {
        for (place, (name, bytes)) in seeds.iter().enumerate() {
            let folder = Path::new(&folder).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("seed-{place}")), bytes).unwrap();
        }
    }
    for (name, target) in targets::TARGETS.into_iter().chain(targets::data::TARGETS) {
        let mut files = seeds.iter().filter(|(of, _)| *of == name).map(|(_, bytes)| bytes).peekable();
        assert!(files.peek().is_some(), "{name} has no seed");
        for bytes in files {
            target(bytes);
            // Few places of a file are tried, because some files are large and some targets write files.
            let places = if targets::data::TARGETS.iter().any(|(other, _)| *other == name) { 30 } else { 300 };
            let step = bytes.len().div_ceil(places).max(1);
            (0..bytes.len()).step_by(step).for_each(|end| target(&bytes[..end]));
            let mut changed = bytes.clone();
            for place in (0..bytes.len()).step_by(step) {
                for flip in [0x01, 0x10, 0x80, 0xff] {
                    changed[place] ^= flip;
                    target(&changed);
                    changed[place] ^= flip;
                }
            }
        }
    }
}

/// Readers must accept the seeds, so that mutations start from valid files.
#[test]
fn seeds_are_valid() {
    for (name, bytes) in seeds() {
        let (run, path) = (&*targets::RUN, Path::new(name));
        let (first, rest) = targets::two_parts(&bytes);
        let (options, folder) = (targets::data::options(first), targets::data::Folder::new());
        let outcome = match name {
            "gz" => DataSet::from_idx((path, &bytes), (path, &idx(&[2], &[0, 1]))).map(drop),
            "csv" => DataSet::from_csv(path, &bytes).map(drop),
            "npz" => DataSet::from_npz(path, &bytes).map(drop),
            "png" => Image::decode(path, Cursor::new(&bytes)).map(drop),
            "model" => Model::decode(path, &bytes).map(drop),
            "checkpoint" => Checkpoint::decode(path, &bytes, run).map(drop).map_err(Error::from),
            "trace" => Trace::decode(path, &bytes, run.shared(), &run.topology, run.ticks()).map(drop),
            "table" => table::decode(path, rest, &options).map(drop),
            "tensors" => arrays::safetensors::decode(path, &options, rest).map(drop),
            "image" => images::decode_one(&folder.write("image", &bytes), [2, 3, 1]).map(drop),
            "sets" => {
                let config = targets::data::settings(first, &folder, rest).expect("sound settings");
                DataSet::open_as(&config.data, &Search::only(vec![]))
                    .and_then(|data| Population::new(vec![config], Arc::new(data), None).map(drop))
            }
            "matching" => DataSet::from_csv(path, first).map(drop),
            "metadata" => serde_json::from_slice::<ModelData>(first).map(drop).map_err(|e| Error::file(path, e)),
            #[cfg(feature = "parquet")]
            "parquet" => arrays::parquet::read(&folder.write("t.parquet", rest), &options).map(drop),
            _ => continue,
        };
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
