//! The fuzz targets: one function per kind of file or value from outside, which reads arbitrary bytes.
//!
//! A target must not panic or exceed its time and memory, whatever the bytes are. If the bytes are accepted, the target
//! checks the promises about the result. `fuzz_targets` pass the functions to libFuzzer; `tests/readers/damage.rs` runs
//! them over small mutations on every change.

pub mod data;

use homeostat::bench::Workload;
use homeostat::config::{CheckpointEvery, Clock, Config, DecayTicks, FreezeOut, Hidden, InitScheme, Sliding};
use homeostat::data::sums::Sums;
use homeostat::data::{DataSet, Image, Samples, Search};
use homeostat::model::file::Model;
use homeostat::rule::trace::Trace;
use homeostat::run::{Checkpoint, Record, single_run};
use homeostat::sweep::{Plan, RunRecord, Shard, Sweep};
use homeostat::train::metrics::EpochMetrics;
use homeostat::train::population::Population;
use std::fmt::{Debug, Display};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

/// A function that reads arbitrary bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, but those of data.
pub const TARGETS: [(&str, Target); 16] = [
    ("idx", idx),
    ("gz", gz),
    ("csv", csv),
    ("npz", npz),
    ("npy", npy),
    ("png", png),
    ("model", model),
    ("checkpoint", checkpoint),
    ("trace", trace),
    ("config", config),
    ("sweep", sweep),
    ("plan", plan),
    ("records", records),
    ("report", report),
    ("sums", sums),
    ("values", values),
];

/// Where targets put files: in memory where the system has such a place, because every input writes some.
fn temporary() -> PathBuf {
    Some(PathBuf::from("/dev/shm")).filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir)
}

/// Six samples of two features and two classes.
fn data() -> DataSet {
    let samples = Samples::F32((0..12).map(|value| value as f32 / 12.0).collect());
    DataSet::new((samples, 2), vec![0, 1, 0, 1, 0, 1]).unwrap().named("six").with_classes(2).unwrap()
}

/// The run to which checkpoints and traces must belong: network 2-3-2, six steps in each of four epochs.
pub static RUN: LazyLock<Population> = LazyLock::new(|| {
    let config = Config::default().hidden([3]).batch_size(1).epochs(4).test_fraction(0.0).theta(0.1);
    Population::new(vec![config], Arc::new(data()), None).expect("a sound configuration")
});

/// Splits the bytes into two parts. The first two bytes are the length of the first part.
pub fn two_parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return (&[], &[]) };
    rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
}

/// Checks the promises of every data set.
fn check_data(data: &DataSet) {
    assert!(!data.is_empty() && data.features() > 0 && data.test_rows() < data.len());
    assert!(data.labels().iter().all(|&label| (label as usize) < data.classes()));
    let values = match data.samples() {
        Samples::U8(bytes) => bytes.len(),
        Samples::F32(reals) => {
            assert!(reals.iter().all(|value| value.is_finite()));
            reals.len()
        }
    };
    assert_eq!(values, data.len() * data.features());
}

/// Two IDX files: images and labels.
pub fn idx(bytes: &[u8]) {
    let (images, labels) = two_parts(bytes);
    if let Ok(data) = DataSet::from_idx((Path::new("images"), images), (Path::new("labels"), labels)) {
        check_data(&data);
    }
}

/// A gzipped IDX file of images. Its labels are valid: two classes, one sample each.
pub fn gz(bytes: &[u8]) {
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 0, 1];
    if let Ok(data) = DataSet::from_idx((Path::new("images.gz"), bytes), (Path::new("labels"), &labels)) {
        check_data(&data);
    }
}

/// A CSV file.
pub fn csv(bytes: &[u8]) {
    if let Ok(data) = DataSet::from_csv(Path::new("f.csv"), bytes) {
        check_data(&data);
    }
}

/// An NPZ file.
pub fn npz(bytes: &[u8]) {
    if let Ok(data) = DataSet::from_npz(Path::new("f.npz"), bytes) {
        check_data(&data);
    }
}

/// Two NPY arrays, samples and labels, inside a valid zip. The target `npz` rarely gets this far, because the zip's
/// checksums reject most changes.
pub fn npy(bytes: &[u8]) {
    let (x, y) = two_parts(bytes);
    let mut zip = zip::ZipWriter::new(Cursor::new(vec![]));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("x.npy", x), ("y.npy", y)] {
        zip.start_file(name, stored).expect("a sound name");
        zip.write_all(content).expect("memory takes it");
    }
    npz(zip.finish().expect("memory takes it").get_ref());
}

/// A PNG file and the digit in it.
pub fn png(bytes: &[u8]) {
    let Ok(image) = Image::decode(Path::new("f.png"), Cursor::new(bytes)) else { return };
    assert_eq!(image.pixels.len(), image.width * image.height);
    assert!(image.pixels.iter().all(|shade| (0.0..=1.001).contains(shade)));
    // Finding the digit in a large image takes a second.
    if image.pixels.len() <= 1 << 12
        && let Some(digit) = image.as_digit()
    {
        assert!(digit.pixels.len() == 784 && digit.pixels.iter().all(|shade| shade.is_finite()));
    }
}

/// A model file and the model's prediction for zeros.
pub fn model(bytes: &[u8]) {
    let Ok(model) = Model::decode(Path::new("model.safetensors"), bytes) else { return };
    assert_eq!(model.hidden().len() + usize::from(!model.is_unsupervised()), model.layers.len());
    assert!(model.tensors().iter().all(|tensor| tensor.shape.iter().product::<usize>() == tensor.values.len()));
    if let Ok(config) = model.config() {
        let _ = model.predict_with(&config.unwrap_or_default(), 1, |_, x| x.fill(0.0));
    }
}

/// A checkpoint of [`RUN`]. The position of an accepted checkpoint lies within the run.
pub fn checkpoint(bytes: &[u8]) {
    let Ok(checkpoint) = Checkpoint::decode(Path::new("c.safetensors"), bytes, &RUN) else { return };
    let position = checkpoint.progress.position;
    assert!((1..=5).contains(&position.epoch) && position.batch < 6);
    assert_eq!(checkpoint.state.steps, (position.epoch - 1) * 6 + position.batch);
}

/// A trace of [`RUN`].
pub fn trace(bytes: &[u8]) {
    let ticks = RUN.ticks();
    if let Ok(trace) = Trace::decode(Path::new("t.safetensors"), bytes, RUN.shared(), &RUN.topology, ticks) {
        assert!(trace.onsets.iter().flatten().all(|&onset| onset <= ticks));
        let mean = trace.mean_psi(None, ticks);
        assert!((0.0..=1.0).contains(&mean), "{mean}");
    }
}

/// Settings as TOML, or as JSON if the text starts with `{`. Accepted settings survive being recorded as JSON, and give
/// a population or an error.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = if text.starts_with('{') { "result.json" } else { "config.toml" };
    let Ok(table) = Config::parse_table(Path::new(path), text) else { return };
    let Ok(config) = Config::overlay([&table]) else { return };
    let record = serde_json::to_string(&config).expect("settings are JSON");
    assert_eq!(Config::from_json(&record).expect("its own record"), config, "{record}");
    // A trace is skipped, because it would be read from a path that the bytes choose.
    if config.rule.trace.is_none()
        && let Ok(population) = Population::new(vec![config], Arc::new(data()), None)
        && population.topology.parameters() < 1 << 16
    {
        assert_eq!(population.initial_state().len(), 1);
    }
}

/// A sweep, and the plan made from it, which must be read back unchanged.
pub fn sweep(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(sweep) = Sweep::parse(Path::new("s.toml"), text) else { return };
    if sweep.arms.len() * sweep.seeds.len() <= 64
        && let Ok(plan) = Plan::new(&sweep, &Search::new(None))
    {
        let text = plan.to_text().expect("a plan is JSON");
        assert_eq!(Plan::parse(Path::new("s.jsonl"), &text).expect("its own text"), plan);
    }
}

/// A plan as it is, and the lines of the plan below a header with the right hash.
pub fn plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("p.jsonl");
    let _ = Plan::parse(path, text);
    let lines = text.split_once('\n').map_or("", |(_, lines)| lines);
    let hash = Plan::hash(lines);
    let whole = format!(r#"{{"format":1,"name":"p","hash":"{hash}","version":"0","runs":1}}"#) + "\n" + lines;
    if let Ok(plan) = Plan::parse(path, &whole) {
        let shard = Shard { index: 0, count: 3 };
        let held = plan.runs.iter().filter(|run| shard.holds(run)).count();
        assert!(held <= plan.runs.len() && plan.arms().len() <= plan.runs.len());
        let _ = plan.groups();
    }
}

/// Records of sweeps, single and merged, results of single runs, and lines of metrics.
pub fn records(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut records = Record::parse(Path::new("r.json"), text).unwrap_or_default();
    records.extend(single_run(Path::new("run"), text));
    for record in &records {
        assert!(record.ended_like(record));
        for metric in record.metrics() {
            assert!(record.metric(metric).is_none_or(f64::is_finite));
        }
    }
    for line in text.lines() {
        let _ = serde_json::from_str::<RunRecord>(line);
        let _ = serde_json::from_str::<EpochMetrics>(line);
    }
}

/// The report on a run with these metrics and this trace, in an otherwise valid directory. The page must contain
/// neither control characters nor a script but its own.
pub fn report(bytes: &[u8]) {
    let (metrics, trace) = two_parts(bytes);
    let folder = temporary().join(format!("homeostat-report-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a place for temporary files");
    let write = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).expect("it takes files");
    write("config.toml", b"data = 'iris'\nhidden = [3]\n");
    write("metrics.jsonl", metrics);
    write("trace.safetensors", trace);
    if let Ok(page) = homeostat::report::page(std::slice::from_ref(&folder), None) {
        let own = concat!("<script>", include_str!("../../src/report/play.js"), "</script>");
        let page = page.replacen(own, "", 1);
        assert!(!page.contains("<script") && !page.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    }
    std::fs::remove_dir_all(folder).expect("it lets files go");
}

/// A file of SHA-256 sums.
pub fn sums(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(sums) = Sums::parse("SHA256SUMS".into(), text) {
        assert!(text.split_whitespace().filter_map(|name| sums.get(name)).all(|sum| sum.len() == 64));
    }
}

/// Values of flags as text. An accepted value must be read back unchanged from its own text.
pub fn values(bytes: &[u8]) {
    fn check<T: FromStr + Display + PartialEq + Debug>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value), "{text:?}");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check::<Hidden>(text);
    check::<DecayTicks>(text);
    check::<Clock>(text);
    check::<Sliding>(text);
    check::<FreezeOut>(text);
    check::<InitScheme>(text);
    let _ = text.parse::<CheckpointEvery>();
    let _ = text.parse::<Workload>();
    let _ = text.parse::<homeostat::device::Device>();
    let _ = Shard::parse(text, None, |_| Some(text.to_owned()));
}
