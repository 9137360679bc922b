//! Tests `homeostat export`: every format is read back, ONNX graphs are computed by a reader in this file, and wrong
//! calls are refused.

use crate::program::{both, refused, succeed};
use clap::ValueEnum;
use homeostat::config::{Activation, Config, Output, Rule};
use homeostat::model::export::{self, Format};
use homeostat::model::file::{Alpha, Model, ModelLayer};
use std::collections::HashMap;
use std::path::Path;

/// A net 3-4-2, or its first layer alone for rules without a target. Within a layer, no two weights are equal.
fn model(config: &Config) -> Model {
    let layer = |n_in: usize, n_out: usize, alpha| {
        let weights = (0..(n_in + 1) * n_out).map(|i| ((i * 37 + n_in) % 23) as f32 / 8.0 - 1.3).collect();
        ModelLayer { n_in, n_out, weights, alpha }
    };
    let mut layers = vec![layer(3, 4, Some(Alpha::PerNeuron(vec![0.1, 0.2, 0.3, 0.4])))];
    if !config.rule.kind.is_unsupervised() {
        layers.push(layer(4, 2, Some(Alpha::PerWeight((0..10).map(|i| i as f32).collect()))));
    }
    Model { layers, config: Some(homeostat::files::to_json(config).unwrap()), data: None, path: "test".into() }
}

/// A field of a protobuf message: an integer, or bytes.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Int(u64),
    Bytes(Vec<u8>),
}

/// The fields of a protobuf message by number, in order.
#[derive(Debug)]
struct Message(Vec<(u64, Field)>);

impl Message {
    fn parse(mut bytes: &[u8]) -> Self {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..64).step_by(7) {
                let (&first, rest) = bytes.split_first().expect("a varint");
                *bytes = rest;
                value |= u64::from(first & 0x7f) << shift;
                if first < 0x80 {
                    return value;
                }
            }
            panic!("a varint too long");
        }
        let mut fields = vec![];
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Int(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(value.to_vec())
                }
                kind => panic!("wire type {kind}"),
            };
            fields.push((key >> 3, field));
        }
        Self(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(move |field| field.0 == number).map(|field| &field.1)
    }

    fn ints(&self, number: u64) -> Vec<u64> {
        self.all(number).map(|field| if let Field::Int(value) = field { *value } else { panic!("{field:?}") }).collect()
    }

    fn bytes(&self, number: u64) -> Vec<Vec<u8>> {
        let bytes = |field: &Field| if let Field::Bytes(bytes) = field { bytes.clone() } else { panic!("{field:?}") };
        self.all(number).map(bytes).collect()
    }

    fn texts(&self, number: u64) -> Vec<String> {
        self.bytes(number).into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    fn messages(&self, number: u64) -> Vec<Self> {
        self.bytes(number).iter().map(|bytes| Self::parse(bytes)).collect()
    }

    /// Name and `[N, width]` of a `ValueInfoProto`.
    fn value_info(&self) -> (String, String, u64) {
        let tensor = self.messages(2)[0].messages(1).remove(0);
        assert_eq!(tensor.ints(1), [1]);
        let sizes = tensor.messages(2)[0].messages(1);
        assert_eq!(sizes.len(), 2);
        (self.texts(1).remove(0), sizes[0].texts(2).remove(0), sizes[1].ints(1)[0])
    }
}

/// Computes a graph for one input, in float64.
fn compute(graph: &Message, x: &[f64]) -> Vec<f64> {
    let mut values: HashMap<String, Vec<f64>> = HashMap::from([("x".to_owned(), x.to_vec())]);
    for tensor in graph.messages(5) {
        let (quads, rest) = (tensor.bytes(9).remove(0), tensor.ints(1).iter().product::<u64>());
        let floats = quads.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
        assert_eq!((tensor.ints(2), quads.len() as u64), (vec![1], 4 * rest));
        values.insert(tensor.texts(8).remove(0), floats.collect());
    }
    for node in graph.messages(1) {
        let inputs: Vec<&Vec<f64>> = node.texts(1).iter().map(|name| &values[name]).collect();
        let attributes: Vec<(String, u64)> =
            node.messages(5).iter().map(|a| (a.texts(1).remove(0), a.ints(3)[0])).collect();
        let each = |f: &dyn Fn(f64) -> f64| inputs[0].iter().map(|&v| f(v)).collect::<Vec<f64>>();
        let y = match node.texts(4)[0].as_str() {
            "Gemm" => {
                assert_eq!(attributes, [("transB".to_owned(), 1)]);
                let rows = inputs[1].chunks_exact(inputs[0].len());
                rows.zip(inputs[2]).map(|(w, b)| b + w.iter().zip(inputs[0]).map(|(w, x)| w * x).sum::<f64>()).collect()
            }
            "Mul" => each(&|v| v * inputs[1][0]),
            "Sigmoid" => each(&|v| 1.0 / (1.0 + (-v).exp())),
            "Tanh" => each(&f64::tanh),
            "Relu" => each(&|v| v.max(0.0)),
            "Softmax" => {
                assert_eq!(attributes, [("axis".to_owned(), 1)]);
                let total: f64 = inputs[0].iter().map(|v| v.exp()).sum();
                each(&|v| v.exp() / total)
            }
            operator => panic!("{operator}"),
        };
        let output = node.texts(2).remove(0);
        assert!(values.insert(output.clone(), y).is_none(), "{output} is written twice");
    }
    values.remove("y").expect("an output y")
}

#[test]
fn onnx_graphs_compute_what_predict_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    for &activation in Activation::value_variants() {
        for &output in Output::value_variants() {
            for rule in [Rule::Constant, Rule::Hebb] {
                let config = Config::default().activation(activation).output(output).rule(rule);
                let model = model(&config);
                export::write(&model, &config, Format::Onnx, false, &path).unwrap();
                let file = Message::parse(&std::fs::read(&path).unwrap());
                assert_eq!((file.ints(1), file.texts(2)), (vec![8], vec!["homeostat".to_owned()]));
                assert_eq!(file.messages(8)[0].ints(2), [17]);
                let metadata = file.messages(14).remove(0);
                assert_eq!(metadata.texts(1), ["config"]);
                assert_eq!(serde_json::from_str::<Config>(&metadata.texts(2)[0]).unwrap(), config);
                let graph = file.messages(7).remove(0);
                assert_eq!(graph.messages(11)[0].value_info(), ("x".into(), "N".into(), 3));
                let y = graph.messages(12)[0].value_info();
                assert_eq!(y, ("y".into(), "N".into(), model.classes() as u64));
                for x in [[0.0, 0.0, 0.0], [0.5, -1.0, 2.0], [0.1, 0.9, 0.4]] {
                    let got = compute(&graph, &x.map(f64::from));
                    let want = model.predict_with(&config, 1, |_, out| out.copy_from_slice(&x)).unwrap().outputs;
                    assert_eq!(got.len(), want.len());
                    for (got, want) in got.iter().zip(&want) {
                        assert!((got - f64::from(*want)).abs() < 1e-5, "{activation} {output} {rule}: {got} {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn npz_has_the_arrays_of_the_model_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.npz");
    let model = model(&Config::default());
    export::write(&model, &Config::default(), Format::Npz, false, &path).unwrap();
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let tensors = model.tensors();
    assert_eq!((archive.len(), tensors.len()), (6, 6));
    for tensor in tensors {
        let array = npyz::NpyFile::new(archive.by_name(&format!("{}.npy", tensor.name)).unwrap()).unwrap();
        assert_eq!(array.dtype().descr(), "'<f4'");
        assert_eq!(array.shape().iter().map(|&size| size as usize).collect::<Vec<_>>(), tensor.shape);
        assert_eq!(array.order(), npyz::Order::C);
        assert_eq!(array.into_vec::<f32>().unwrap(), tensor.values);
    }
}

#[test]
fn safetensors_lose_their_rates_unless_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.safetensors");
    let mut model = model(&Config::default());
    model.path.clone_from(&path);
    export::write(&model, &Config::default(), Format::Safetensors, true, &path).unwrap();
    assert_eq!(Model::open(&path).unwrap(), model);
    export::write(&model, &Config::default(), Format::Safetensors, false, &path).unwrap();
    model.layers.iter_mut().for_each(|layer| layer.alpha = None);
    assert_eq!(Model::open(&path).unwrap(), model);
}

#[test]
fn the_command_names_its_file_and_replaces_none() {
    let folder = tempfile::tempdir().unwrap();
    let name = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let source = name("model.safetensors");
    model(&Config::default()).save(Path::new(&source)).unwrap();
    for (format, file) in [("onnx", "model.onnx"), ("npz", "model.npz"), ("safetensors", "model.weights.safetensors")] {
        let arguments = ["export", &source, "--format", format];
        assert!(succeed(&arguments).contains(&name(file)));
        let before = std::fs::read(name(file)).unwrap();
        refused(&arguments, 3, &[&name(file), "--force"]);
        std::fs::write(name(file), "other").unwrap();
        succeed(&[&arguments[..], &["--force"]].concat());
        assert_eq!(std::fs::read(name(file)).unwrap(), before);
    }
    let out = name("kept.safetensors");
    succeed(&["export", &source, "--format", "safetensors", "--keep-alpha", "-o", &out]);
    assert_eq!(Model::open(Path::new(&out)).unwrap().layers, Model::open(Path::new(&source)).unwrap().layers);
    // No half-written file is left behind.
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 5);

    let cases: [(&[&str], i32, &[&str]); 7] = [
        (&["export", "no-such.safetensors", "--format", "onnx", "-o", "never.onnx"], 3, &["no-such.safetensors"]),
        (&["export", &source], 2, &["--format"]),
        (&["export", &source, "--format", "hdf5"], 2, &["hdf5", "onnx"]),
        (&["export", &source, "--format", "npz", "--keep-alpha"], 2, &["--keep-alpha", "npz"]),
        (&["export", &source, "--format", "onnx", "--keep-alpha"], 2, &["--keep-alpha", "onnx"]),
        (&["export", &source, "--format", "onnx", "-o", folder.path().to_str().unwrap()], 3, &["directory"]),
        (&["export", &source, "--format", "onnx", "-o", &name("no/such/file.onnx")], 3, &["file.onnx"]),
    ];
    for (arguments, code, parts) in cases {
        refused(arguments, code, parts);
    }
}

/// A foreign model does not store its activation functions. Flags give them, and a note repeats them.
#[test]
fn a_model_without_metadata_takes_its_functions_from_flags() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("torch.safetensors");
    let mut bare = model(&Config::default());
    bare.config = None;
    bare.save(&source).unwrap();
    let source = source.to_str().unwrap();
    let (_, said) = both(&["export", source, "--format", "onnx", "--activation", "relu", "--output", "linear"]);
    assert!(said.contains("--activation relu --output linear"), "{said}");
    let file = Message::parse(&std::fs::read(folder.path().join("torch.onnx")).unwrap());
    let operators: Vec<String> = file.messages(7)[0].messages(1).iter().map(|node| node.texts(4).remove(0)).collect();
    assert_eq!(operators, ["Gemm", "Relu", "Gemm"]);
    assert!(file.messages(14).is_empty());
    assert!(!both(&["export", source, "--format", "npz"]).1.contains("note"));
}
