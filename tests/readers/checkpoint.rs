//! Tests the readers of checkpoints and traces. Files that are damaged, impossible or of another run are refused, and
//! the message names the tensor or the place.

use homeostat::config::Config;
use homeostat::data::DataSet;
use homeostat::error::Error;
use homeostat::rule::trace::Trace;
use homeostat::run::{Checkpoint, Progress, Refusal};
use homeostat::train::population::Population;
use homeostat::train::trainer::Position;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A network 3-`hidden`-2 with two steps in each of three epochs.
fn population(hidden: usize) -> Population {
    with_data(hidden, |_, _| ())
}

/// [`population`] on features and labels that `change` has changed.
fn with_data(hidden: usize, change: impl Fn(&mut [f32], &mut [u32])) -> Population {
    let (mut features, mut labels) = (vec![0.5; 12], vec![0, 1, 0, 1]);
    change(&mut features, &mut labels);
    let data = DataSet::new((features, 3), labels).unwrap().named("test");
    let config = Config::default().hidden([hidden]).batch_size(2).epochs(3).test_fraction(0.0).theta(0.1);
    Population::new(vec![config], Arc::new(data), None).unwrap()
}

/// A change of tensors and metadata.
type Change = dyn Fn(&mut HashMap<String, Tensor>, &mut HashMap<String, String>);

/// A checkpoint after `steps` steps with this position and best epoch.
fn checkpoint(position: (u32, u32), steps: u32, best: Option<(f64, u32)>) -> Checkpoint {
    let mut state = population(4).initial_state().swap_remove(0);
    state.steps = steps;
    let position = Position { epoch: position.0, batch: position.1 };
    Checkpoint {
        progress: Progress {
            position,
            steps,
            samples_since_tick: 0,
            running_samples: 0,
            seconds: 1.0,
            best,
            end: None,
            divergence: None,
        },
        state,
    }
}

fn bytes(write: impl Fn(&Path) -> homeostat::error::Result<()>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// One tensor of a file: its type, its shape and its bytes.
type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// The file with its tensors and metadata changed.
fn changed(bytes: &[u8], change: impl Fn(&mut HashMap<String, Tensor>, &mut HashMap<String, String>)) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    let tensor =
        |(name, view): (String, TensorView<'_>)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    let mut tensors: HashMap<String, Tensor> = file.tensors().into_iter().map(tensor).collect();
    change(&mut tensors, &mut metadata);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// Headers that are cut off, malformed, or promise more than the file has.
fn bad_headers() -> Vec<Vec<u8>> {
    let with_length = |length: u64, header: &[u8]| [&length.to_le_bytes()[..], header].concat();
    let tensor = |end: u64, size: u64| {
        let header = format!(r#"{{"layers.0.weights":{{"dtype":"F32","shape":[{size}],"data_offsets":[0,{end}]}}}}"#);
        with_length(header.len() as u64, header.as_bytes())
    };
    vec![
        vec![],
        vec![0; 7],
        with_length(u64::MAX, b"{}"),
        with_length(1 << 40, b"{}"),
        with_length(99_000_000, b"{}"),
        with_length(2, b"[]"),
        tensor(1 << 40, 1 << 38),
        tensor(u64::MAX, u64::MAX / 4),
        with_length(100_000, "[".repeat(100_000).as_bytes()),
    ]
}

#[test]
fn bad_checkpoints_are_refused() {
    let run = population(4);
    let refusal = |bytes: &[u8], parts: &[&str]| {
        let message = Error::from(Checkpoint::decode(Path::new("c.safetensors"), bytes, &run).unwrap_err()).to_string();
        for part in parts.iter().chain(&["c.safetensors"]) {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    };
    let good = checkpoint((2, 1), 3, Some((0.5, 1)));
    let good = bytes(|path| good.write(run.shared(), run.checksum(), path));
    assert_eq!(Checkpoint::decode(Path::new("c"), &good, &run).unwrap().state.steps, 3);
    let with = |change: &Change| changed(&good, change);
    let weights = "layers.0.weights";
    refusal(&with(&|tensors, _| drop(tensors.remove(weights))), &[weights, "missing"]);
    refusal(&with(&|tensors, _| tensors.get_mut(weights).unwrap().0 = Dtype::I32), &[weights, "I32", "F32 [16]"]);
    refusal(&with(&|tensors, _| tensors.get_mut(weights).unwrap().1 = vec![4, 4]), &[weights, "[4, 4]", "[16]"]);
    refusal(
        &with(&|tensors, _| drop(tensors.insert("layers.1.slots".into(), (Dtype::F32, vec![0], vec![])))),
        &["layers.1.slots", "[0]"],
    );
    refusal(&with(&|tensors, _| tensors.get_mut(weights).unwrap().2[5] ^= 1), &["checksum"]);
    for key in ["config", "data", "progress", "crc32"] {
        refusal(&with(&|_, metadata| drop(metadata.remove(key))), &[key]);
    }
    refusal(&with(&|_, metadata| drop(metadata.insert("progress".into(), "{}".into()))), &["progress"]);
    bad_headers().iter().for_each(|bytes| refusal(bytes, &["not a checkpoint"]));
    let larger = population(5);
    let of_another = |run: &Population, part: &str| match Checkpoint::decode(Path::new("c"), &good, run) {
        Err(Refusal::Final(error)) => assert!(error.to_string().contains(part), "{error}"),
        other => panic!("{other:?}"),
    };
    of_another(&larger, "hidden");
    of_another(&with_data(4, |_, labels| labels[2] = 1), "other samples");
    of_another(&with_data(4, |features, _| features[11] = 0.25), "other samples");
}

/// A checkpoint outside its run is refused, because resuming there would read rows that do not exist.
#[test]
fn a_checkpoint_lies_within_its_run() {
    let run = population(4);
    let decode = |position, steps, best| {
        let checkpoint = checkpoint(position, steps, best);
        Checkpoint::decode(Path::new("c"), &bytes(|path| checkpoint.write(run.shared(), run.checksum(), path)), &run)
            .map(drop)
    };
    for (position, steps, best) in
        [((1, 0), 0, None), ((1, 1), 1, None), ((3, 1), 5, Some((0.5, 2))), ((4, 0), 6, Some((0.5, 3)))]
    {
        decode(position, steps, best).unwrap();
    }
    for (position, steps, best) in [
        ((0, 0), 0, None),
        ((0, 1), u32::MAX, None),
        ((1, 2), 2, None),
        ((1, 7), 7, None),
        ((4, 1), 7, None),
        ((5, 0), 8, None),
        ((u32::MAX, 0), 6, None),
        ((2, 1), 4, None),
        ((2, 1), 3, Some((0.5, 2))),
        ((1, 0), 0, Some((0.5, u32::MAX))),
    ] {
        let message = Error::from(decode(position, steps, best).unwrap_err()).to_string();
        assert!(message.contains("no place in this run"), "{position:?}: {message}");
    }
}

#[test]
fn bad_traces_are_refused() {
    let run = population(4);
    let decode = |bytes: &[u8]| Trace::decode(Path::new("t"), bytes, run.shared(), &run.topology, run.ticks());
    let refusal = |bytes: &[u8], parts: &[&str]| {
        let message = decode(bytes).unwrap_err().to_string();
        for part in parts.iter().chain(&["`trace`"]) {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    };
    let trace = Trace::new(run.shared().clone(), &run.topology, run.initial_state()[0].onsets(), run.ticks());
    let good = bytes(|path| trace.write(&run.topology, path));
    assert_eq!(decode(&good).unwrap(), trace);
    let with = |change: &Change| changed(&good, change);
    let onset = "layers.0.onset";
    refusal(&with(&|tensors, _| drop(tensors.remove(onset))), &[onset, "missing"]);
    refusal(&with(&|tensors, _| tensors.get_mut(onset).unwrap().0 = Dtype::F32), &[onset, "F32", "U32 [4]"]);
    refusal(&with(&|tensors, _| tensors.get_mut(onset).unwrap().1 = vec![2, 2]), &[onset, "[2, 2]", "[4]"]);
    refusal(&with(&|tensors, _| tensors.get_mut(onset).unwrap().2[0] = 4), &[onset, "tick 4 of 3"]);
    refusal(&with(&|_, metadata| drop(metadata.insert("ticks".into(), "4".into()))), &["4 ticks"]);
    for key in ["ticks", "config"] {
        refusal(&with(&|_, metadata| drop(metadata.remove(key))), &[key]);
        refusal(&with(&|_, metadata| drop(metadata.insert(key.into(), "no".into()))), &[key]);
    }
    bad_headers().iter().for_each(|bytes| refusal(bytes, &["not a trace"]));
}
