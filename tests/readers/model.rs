//! Tests `model.safetensors`: the layout of the file, and the reader's errors for other files.

use homeostat::config::{Config, DataSettings, Scope, Task};
use homeostat::data::about::About;
use homeostat::data::{DataSet, Samples, Search};
use homeostat::model::file::{Alpha, Model};
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;
use std::sync::Arc;

fn population(scope: Scope) -> Population {
    let data = DataSet::new((Samples::F32(vec![0.0; 12]), 3), vec![0, 1, 0, 1])
        .unwrap()
        .named("test")
        .with_classes(2)
        .unwrap();
    let config = Config::default().scope(scope).hidden([4]).test_fraction(0.0);
    Population::new(vec![config], Arc::new(data), None).unwrap()
}

fn state(scope: Scope) -> MemberState {
    let mut state = population(scope).initial_state().swap_remove(0);
    for layer in &mut state.layers {
        for (i, w) in layer.weights.iter_mut().enumerate() {
            *w = i as f32 + 0.25;
        }
        for (i, alpha0) in layer.alpha0.iter_mut().enumerate() {
            *alpha0 = i as f32 * 0.5;
        }
    }
    state
}

#[test]
fn tensors_follow_pytorchs_linear_layer() {
    let folder = tempfile::tempdir().unwrap();
    for scope in [Scope::Neuron, Scope::Weight, Scope::Layer] {
        let path = folder.path().join("model.safetensors");
        let (population, state) = (population(scope), state(scope));
        Model::from_state(&population.configs[0], &population.topology, &state).unwrap().save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |name: &str| -> Vec<f32> {
            let tensor = file.tensor(name).unwrap();
            assert_eq!(tensor.dtype(), Dtype::F32);
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        for (l, (n_in, n_out)) in [(3, 4), (4, 2)].into_iter().enumerate() {
            let (weight, bias) = (floats(&format!("layers.{l}.weight")), floats(&format!("layers.{l}.bias")));
            assert_eq!(file.tensor(&format!("layers.{l}.weight")).unwrap().shape(), [n_out, n_in]);
            for j in 0..n_out {
                for i in 0..n_in {
                    assert_eq!(weight[j * n_in + i], state.layers[l].weights[i * n_out + j]);
                }
                // The sign differs, because homeostat feeds the bias row with −1 and PyTorch adds the bias.
                assert_eq!(bias[j], -state.layers[l].weights[n_in * n_out + j]);
            }
            let alpha = floats(&format!("layers.{l}.alpha"));
            if scope == Scope::Weight {
                assert_eq!(file.tensor(&format!("layers.{l}.alpha")).unwrap().shape(), [n_out, n_in + 1]);
                for j in 0..n_out {
                    for i in 0..=n_in {
                        assert_eq!(
                            alpha[j * (n_in + 1) + i],
                            state.layers[l].alpha(population.configs[0].rule.kind)[i * n_out + j]
                        );
                    }
                }
            } else {
                assert_eq!(alpha, state.layers[l].alpha(population.configs[0].rule.kind));
            }
        }
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let json = &header.metadata().as_ref().unwrap()["config"];
        assert_eq!(serde_json::from_str::<Config>(json).unwrap(), population.configs[0]);

        let model = Model::open(&path).unwrap();
        let mut read = population.initial_state().swap_remove(0);
        model.apply_weights(&mut read);
        model.apply_rates(&population.configs[0], &mut read).unwrap();
        assert_eq!(read, state);
        assert_eq!((model.hidden(), model.classes()), (vec![4], 2));
        assert_eq!(model.config().unwrap().unwrap(), population.configs[0]);
    }
}

type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn f32s(name: &'static str, shape: &[usize], value: f32) -> Tensor {
    let count: usize = shape.iter().product();
    (name, Dtype::F32, shape.to_vec(), value.to_le_bytes().repeat(count))
}

fn write(path: &Path, tensors: &[Tensor]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_foreign_file_needs_weights_and_biases_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("torch.safetensors");
    write(&path, &[f32s("layers.0.weight", &[2, 3], 0.5), f32s("layers.0.bias", &[2], 0.25)]);
    let model = Model::open(&path).unwrap();
    assert_eq!(model.layers[0].weights, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -0.25, -0.25]);
    assert_eq!((model.layers[0].alpha.clone(), model.config().unwrap()), (None, None));
    write(
        &path,
        &[f32s("layers.0.weight", &[2, 3], 0.5), f32s("layers.0.bias", &[2], 0.25), f32s("layers.0.alpha", &[2], 0.1)],
    );
    assert_eq!(Model::open(&path).unwrap().layers[0].alpha, Some(Alpha::PerNeuron(vec![0.1, 0.1])));
}

#[test]
fn bad_files_are_refused_by_tensor() {
    let weight = || f32s("layers.0.weight", &[2, 3], 0.5);
    let bias = || f32s("layers.0.bias", &[2], 0.25);
    let cases: Vec<(Vec<Tensor>, &[&str])> = vec![
        (vec![], &["layers.0.weight"]),
        (vec![weight()], &["layers.0.bias", "missing"]),
        (vec![weight(), f32s("layers.0.bias", &[3], 0.0)], &["layers.0.bias", "[3]", "[2]"]),
        (vec![f32s("layers.0.weight", &[6], 0.5), bias()], &["layers.0.weight", "[6]"]),
        (vec![f32s("layers.0.weight", &[2, 0], 0.5), bias()], &["layers.0.weight", "[2, 0]"]),
        (vec![weight(), ("layers.0.bias", Dtype::F64, vec![2], vec![0; 16])], &["layers.0.bias", "F64", "F32"]),
        (vec![weight(), f32s("layers.0.bias", &[2], f32::NAN)], &["layers.0.bias", "NaN"]),
        (vec![weight(), bias(), f32s("layers.0.alpha", &[5], 0.1)], &["layers.0.alpha", "[5]", "[2, 4]"]),
        (vec![weight(), bias(), f32s("layers.0.alpha", &[2], -0.1)], &["layers.0.alpha", "negative"]),
        (vec![weight(), bias(), f32s("embedding", &[2], 0.1)], &["embedding"]),
        (
            vec![weight(), bias(), f32s("layers.1.weight", &[2, 5], 0.0), f32s("layers.1.bias", &[2], 0.0)],
            &["layers.1.weight", "5 inputs", "2 neurons"],
        ),
        (
            vec![f32s("layers.1.weight", &[2, 2], 0.0), f32s("layers.1.bias", &[2], 0.0)],
            &["layers.0.weight", "missing"],
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.safetensors");
    for (tensors, parts) in cases {
        write(&path, &tensors);
        let message = Model::open(&path).unwrap_err().to_string();
        for part in parts.iter().chain(&["bad.safetensors"]) {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    }
    for bytes in [&b""[..], b"short", &[0xFF; 64], b"\x10\0\0\0\0\0\0\0{\"a\":"] {
        std::fs::write(&path, bytes).unwrap();
        assert!(Model::open(&path).unwrap_err().to_string().contains("not a safetensors file"));
    }
}

/// Truncated files give an error, changed files a model or an error. No file causes a panic.
/// The metadata of a stranger's model need not say how many features the model has.
#[test]
fn a_model_that_knows_no_columns_meets_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.csv");
    std::fs::write(&path, "a,b,y\nred,1,0\nblue,2,1\nred,3,1\n").unwrap();
    let settings = DataSettings { source: format!("csv:{}", path.display()), ..DataSettings::default() };
    let open = DataSet::open_like(&settings, &Search::only(vec![]), &About::default(), Task::Classification);
    let data = open.unwrap();
    assert_eq!((data.len(), data.features() >= 3), (3, true));
}

#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let (population, state) = (population(Scope::Weight), state(Scope::Weight));
    Model::from_state(&population.configs[0], &population.topology, &state).unwrap().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    for end in (0..good.len()).step_by(7) {
        std::fs::write(&path, &good[..end]).unwrap();
        assert!(Model::open(&path).is_err(), "{end} of {} bytes", good.len());
    }
    for place in (0..good.len()).step_by(5) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x91;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(model) = Model::open(&path) {
            drop(model.config());
        }
    }
}

#[test]
fn a_rate_per_weight_needs_weight_scope() {
    let (population, mut state) = (population(Scope::Weight), state(Scope::Weight));
    let model = Model::from_state(&population.configs[0], &population.topology, &state).unwrap();
    let message = model.apply_rates(&Config::default(), &mut state).unwrap_err().to_string();
    assert!(message.contains("`scope = weight`"), "{message}");
    assert!(!model.is_frozen());
}

/// Tensors are looked up by name, not searched for, so a file of many layers takes only a moment.
#[test]
fn a_deep_model_is_read_in_a_moment() {
    const LAYERS: usize = homeostat::config::MOST_HIDDEN_LAYERS + 1;
    let name = |l: usize, kind: &str| format!("layers.{l}.{kind}");
    let value = 0.5_f32.to_le_bytes();
    let file = |layers: usize| {
        let tensors = (0..layers).flat_map(|l| [(name(l, "weight"), vec![1, 1]), (name(l, "bias"), vec![1])]);
        let views = tensors.map(|(name, shape)| (name, TensorView::new(Dtype::F32, shape, &value).unwrap()));
        safetensors::serialize(views, None).unwrap()
    };
    let bytes = file(LAYERS);
    let deeper = Model::decode(Path::new("deeper"), &file(20_000)).unwrap_err().to_string();
    assert!(deeper.contains("20000 layers, more than 1025"), "{deeper}");
    let started = std::time::Instant::now();
    assert_eq!(Model::decode(Path::new("deep"), &bytes).unwrap().layers.len(), LAYERS);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    for odd in ["layers.00.bias", "layers.+0.bias", "layers.1.bias", "layers.0.bias.x", "layers..bias"] {
        let views = [("layers.0.weight", vec![1, 1]), ("layers.0.bias", vec![1]), (odd, vec![1])];
        let views = views.map(|(name, shape)| (name, TensorView::new(Dtype::F32, shape, &value).unwrap()));
        let message = Model::decode(Path::new("odd"), &safetensors::serialize(views, None).unwrap()).unwrap_err();
        assert!(message.to_string().contains(odd), "{message}");
    }
}
