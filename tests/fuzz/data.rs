//! The targets of the readers of data: tables, arrays, images, folders of them, and what a training makes of them.

use super::{Target, temporary, two_parts};
use flate2::{Compression, write::GzEncoder};
use homeostat::config::{Config, DataSettings, Task};
use homeostat::data::numbers::Numbers;
use homeostat::data::raw::{Expected, LabelValues, MISSING, Raw, ReadOptions, Text};
use homeostat::data::{DataSet, Samples, Search, arrays, images, table};
use homeostat::error::Result;
use homeostat::model::file::{Model, ModelData};
use homeostat::train::population::Population;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Every target of data by its name.
pub const TARGETS: [(&str, Target); 10] = [
    ("table", table),
    ("tensors", tensors),
    ("typed_idx", typed_idx),
    ("parquet", parquet),
    ("image", image),
    ("folder", folder),
    ("sets", sets),
    ("matching", matching),
    ("metadata", metadata),
    ("weights", weights),
];

/// A folder for files, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("homeostat-data-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = temporary().join(name);
        std::fs::create_dir_all(&path).expect("a place for temporary files");
        Self(path)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("the folder takes files");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder lets files go");
    }
}

/// The options that `bytes` hold: one a line, a letter and the value.
pub fn options(bytes: &[u8]) -> ReadOptions {
    let (mut options, mut expected) = (ReadOptions::default(), Expected::default());
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some(letter) = line.chars().next() else { continue };
        let value = line[letter.len_utf8()..].to_owned();
        match letter {
            'd' => options.delimiter = value.bytes().next(),
            'h' => options.header = Some(value == "1"),
            'l' => options.label.push(value),
            'x' => options.drop.push(value),
            'i' => options.id.push(value),
            'w' => options.weight = Some(value),
            'g' => options.group = Some(value),
            'n' => expected.features.push((value, false)),
            't' => expected.features.push((value, true)),
            'y' => expected.labels.push(value),
            's' => options.image_size = Some([value.len(), 3]),
            _ => {}
        }
        if matches!(letter, 'n' | 't' | 'y' | 'e') {
            options.expected = Some(expected.clone());
        }
    }
    options
}

/// Checks the promises of what every reader delivers for `options`.
fn check_raw(raw: &Raw, options: &ReadOptions) {
    let rows: usize = raw.parts.iter().sum();
    let check_text = |text: &Text| {
        assert!(text.codes.len() == rows && text.levels.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(text.codes.iter().all(|&code| code == MISSING || (code as usize) < text.levels.len()));
    };
    if let Numbers::Reals(reals) = &raw.samples {
        assert!(!reals.iter().any(|value| value.is_infinite()));
    }
    let values = raw.samples.len();
    assert!(rows > 0 && values == rows * raw.width, "{values} values, {rows} rows of {}", raw.width);
    let numbers = raw.features.iter().filter(|feature| feature.text.is_none()).count();
    assert!(raw.features.is_empty() || numbers == raw.width, "{numbers} columns of numbers, {} wide", raw.width);
    raw.features.iter().filter_map(|feature| feature.text.as_ref()).for_each(check_text);
    raw.groups.iter().for_each(check_text);
    for label in &raw.labels {
        match &label.values {
            LabelValues::Numbers(values) => assert!(values.len() == rows),
            LabelValues::Text(text) => check_text(text),
        }
    }
    assert!(raw.ids.iter().all(|(_, values)| values.len() == rows));
    assert!(raw.weights.iter().all(|weights| weights.len() == rows));
    assert!(raw.image.iter().all(|image| image.iter().product::<usize>() == raw.width));
    if let Some(expected) = &options.expected
        && !expected.features.is_empty()
        && !raw.features.is_empty()
    {
        assert_eq!(raw.features.len(), expected.features.len());
        let kinds = raw.features.iter().map(|feature| feature.text.is_some());
        assert!(kinds.eq(expected.features.iter().map(|(_, is_text)| *is_text)), "{:?}", raw.features);
    }
}

/// Checks a result, and returns the result as text. Missing values are NaN, which equals nothing.
fn checked(outcome: &Result<Raw>, options: &ReadOptions) -> String {
    if let Ok(raw) = outcome {
        check_raw(raw, options);
    }
    format!("{outcome:?}")
}

/// A table after its options. Blocks of any size, gzip and UTF-16 give the same result.
pub fn table(bytes: &[u8]) {
    let (first, bytes) = two_parts(bytes);
    let (options, path) = (options(first), Path::new("t.csv"));
    let whole = checked(&table::decode(path, bytes, &options), &options);
    for size in [1, 7] {
        assert_eq!(checked(&table::decode_in_blocks(path, bytes, &options, size), &options), whole);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let mut packed = GzEncoder::new(vec![], Compression::none());
        packed.write_all(bytes).expect("memory takes the bytes");
        let packed = packed.finish().expect("memory takes the bytes");
        assert_eq!(checked(&table::decode(path, &packed, &options), &options), whole);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && whole.starts_with("Ok")
        && !text.starts_with('\u{feff}')
    {
        let wide = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes);
        assert_eq!(checked(&table::decode(path, &wide.collect::<Vec<_>>(), &options), &options), whole);
    }
}

/// A safetensors file of data, after its options.
pub fn tensors(bytes: &[u8]) {
    let (first, bytes) = two_parts(bytes);
    let options = options(first);
    checked(&arrays::safetensors::decode(Path::new("t.safetensors"), &options, bytes), &options);
}

/// Four IDX files with elements of any type, of which the last two may be absent.
pub fn typed_idx(bytes: &[u8]) {
    let folder = Folder::new();
    let mut rest = bytes;
    for (place, name) in
        ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"].iter().enumerate()
    {
        let part = two_parts(rest);
        rest = part.1;
        if place < 2 || !part.0.is_empty() {
            folder.write(&format!("{name}-ubyte"), part.0);
        }
    }
    for options in [ReadOptions::default(), options(b"e")] {
        checked(&arrays::idx::read(&folder.0, ["train", "t10k"], &options), &options);
    }
    let _ = DataSet::open(&format!("idx:{}", folder.0.display())).map(|data| check_set(&data));
}

/// A Parquet file after its options. A build without the reader refuses all files.
pub fn parquet(bytes: &[u8]) {
    let (first, bytes) = two_parts(bytes);
    let (options, folder) = (options(first), Folder::new());
    checked(&arrays::parquet::read(&folder.write("t.parquet", bytes), &options), &options);
}

/// A JPEG or PNG file as a sample in grey and in colour, smaller, larger and turned.
pub fn image(bytes: &[u8]) {
    let folder = Folder::new();
    let path = folder.write("image", bytes);
    for shape in [[2, 3, 1], [9, 1, 3], [1, 17, 3]] {
        if let Ok(pixels) = images::decode_one(&path, shape) {
            assert_eq!(pixels.len(), shape.iter().product::<usize>());
        }
    }
}

/// A folder of images: names and contents. Only names within the folder are written.
pub fn folder(bytes: &[u8]) {
    let (first, mut rest) = two_parts(bytes);
    let (options, folder) = (options(first), Folder::new());
    while !rest.is_empty() {
        let (name, content) = two_parts(rest);
        let (content, more) = two_parts(content);
        rest = more;
        let name = path(name);
        let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
        let place = folder.0.join(&name);
        // A name that the file system refuses, such as that of a folder, is left out.
        if is_inside && place.parent().is_some_and(|parent| std::fs::create_dir_all(parent).is_ok()) {
            let _ = std::fs::write(place, content);
        }
    }
    // Sizes are small, because the options come from the bytes.
    checked(&images::read(&folder.0, &options), &options);
    let _ = DataSet::open(&folder.0.display().to_string()).map(|data| check_set(&data));
}

#[cfg(unix)]
fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

#[cfg(not(unix))]
fn path(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

/// Checks the promises of a set that was opened, whatever its task.
fn check_set(data: &DataSet) {
    let rows = data.len();
    assert!(rows > 0 && data.features() > 0 && data.test_rows() <= rows);
    let values = match data.samples() {
        Samples::U8(bytes) => bytes.len(),
        Samples::F32(reals) => reals.len(),
    };
    assert_eq!(values, rows * data.features());
    assert!(data.labels().iter().all(|&label| (label as usize) < data.classes()));
    assert!(data.values().iter().all(|value| value.is_finite()));
    assert!(data.weights().is_none_or(|weights| weights.len() == rows && weights.iter().all(|&w| w >= 0.0)));
    if data.has_targets() {
        let is_binary = |value: &f32| *value == 0.0 || *value == 1.0;
        let (labels, values) = match data.task() {
            Task::Classification => (rows, 0),
            Task::Regression => (0, rows * data.classes()),
            Task::Multilabel => {
                assert!(data.values().iter().all(is_binary));
                (0, rows * data.classes())
            }
        };
        assert_eq!((data.labels().len(), data.values().len()), (labels, values));
    }
    let about = data.about();
    assert!(about.columns.is_empty() || about.is_level().len() == data.features());
    assert!(about.outputs.is_empty() || about.outputs.len() == data.classes());
}

/// Settings as TOML, and the file that they are about. The prefix of `data` is the format.
pub fn settings(text: &[u8], folder: &Folder, bytes: &[u8]) -> Option<Config> {
    let text = std::str::from_utf8(text).ok()?;
    let mut config = Config::overlay([&Config::parse_table(Path::new("c.toml"), text).ok()?]).ok()?;
    // Paths are replaced, because the bytes would choose them.
    if config.rule.trace.is_some() || config.network.init.is_some() {
        return None;
    }
    let path = folder.write("file", bytes).display().to_string();
    let format = config.data.source.split(':').next().filter(|name| ["npz", "safetensors", "parquet"].contains(name));
    let source = format!("{}:{path}", format.unwrap_or("csv"));
    for other in [&mut config.data.val_data, &mut config.data.test_data].into_iter().flatten() {
        other.clone_from(&source);
    }
    if let Some(weights) = config.data.class_weight.as_mut().filter(|text| *text != "balanced") {
        *weights = folder.write("weights.csv", weights.as_bytes()).display().to_string();
    }
    config.data.source = source;
    Some(config)
}

/// Settings and a file of data: the set, what a training makes of it, and the same file read for a model.
pub fn sets(bytes: &[u8]) {
    let (first, bytes) = two_parts(bytes);
    let folder = Folder::new();
    let Some(config) = settings(first, &folder, bytes) else { return };
    let search = Search::only(vec![]);
    let Ok(data) = DataSet::open_as(&config.data, &search) else { return };
    check_set(&data);
    // A model is predicted with the settings of its training, and finds its own columns.
    let again = DataSet::open_like(&config.data, &search, data.about(), data.task()).map(|again| {
        check_set(&again);
        assert_eq!((again.features(), again.len()), (data.features(), data.len()));
    });
    assert!(again.is_ok(), "{again:?}");
    let Ok(population) = Population::new(vec![config], Arc::new(data), None) else { return };
    if population.topology.parameters() < 1 << 14 {
        let state = population.initial_state().swap_remove(0);
        let model = Model::of_member(&population, 0, population.shared(), &state).expect("a sound configuration");
        let path = folder.0.join("model.safetensors");
        model.save(&path).expect("the folder takes files");
        assert_eq!(Model::open(&path).expect("its own file").layers, model.layers);
    }
}

/// Two tables: the columns of the first are those that the second is matched to.
pub fn matching(bytes: &[u8]) {
    let (first, second) = two_parts(bytes);
    let Ok(known) = DataSet::from_csv(Path::new("known.csv"), first) else { return };
    check_set(&known);
    let folder = Folder::new();
    let source = format!("csv:{}", folder.write("new", second).display());
    let settings = DataSettings { source, ..DataSettings::default() };
    if let Ok(data) = DataSet::open_like(&settings, &Search::only(vec![]), known.about(), known.task()) {
        check_set(&data);
        assert_eq!(data.features(), known.features());
        assert!(!data.has_targets() || data.classes() <= known.classes().max(1));
    }
}

/// What a model file says about its data, as JSON, and a table for the model.
pub fn metadata(bytes: &[u8]) {
    let (first, bytes) = two_parts(bytes);
    let Ok(data) = serde_json::from_slice::<ModelData>(first) else { return };
    let state = super::RUN.initial_state().swap_remove(0);
    let model = Model::from_state(super::RUN.shared(), &super::RUN.topology, &state).expect("a sound configuration");
    let folder = Folder::new();
    let path = folder.0.join("model.safetensors");
    Model { data: Some(data), ..model }.save(&path).expect("the folder takes files");
    let Ok(model) = Model::open(&path) else { return };
    let source = format!("csv:{}", folder.write("new", bytes).display());
    let settings = DataSettings { source, ..DataSettings::default() };
    if let Ok(data) = model.open_data(&settings, &Search::only(vec![])) {
        check_set(&data);
        let config = model.config().expect("its own settings").unwrap_or_default();
        let _ = model.predict_with(&config, data.len().min(4), |row, x| data.copy_row(row, x));
    }
    (0..3).for_each(|k| drop(model.output_name(k)));
}

/// A list of class weights, for six samples of two classes.
pub fn weights(bytes: &[u8]) {
    let folder = Folder::new();
    let mut config = Config::default().hidden([3]).test_fraction(0.0);
    config.data.class_weight = Some(folder.write("weights.csv", bytes).display().to_string());
    let _ = Population::new(vec![config], Arc::new(super::data()), None);
}
