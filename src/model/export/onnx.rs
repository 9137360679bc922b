//! ONNX: the network as a graph from features `x` to outputs `y`, with one Gemm per layer followed by the nodes of its
//! f.
//!
//! Field numbers are those of `onnx.proto`.

use super::protobuf::Message;
use crate::config::{Activation, Config, Output};
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::model::file::Model;
use crate::network::function;
use std::path::Path;

/// The oldest format version and operator set that have every node used here, so that most runtimes can read the file.
const IR_VERSION: u64 = 8;
const OPSET: u64 = 17;
/// Element type of a tensor: f32.
const FLOAT: u64 = 1;
/// Largest length of a message that Protocol Buffers readers accept.
const MOST_BYTES: usize = i32::MAX as usize;

/// The bytes of the file; `path` is only for messages.
pub fn encode(model: &Model, config: &Config, path: &Path) -> Result<Vec<u8>> {
    let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
    let n_in = model.layers.first().map_or(0, |layer| layer.n_in);
    // Targets are linear in the last layer. Features are scaled by nodes, because folded weights would lose digits where an
    // offset is much larger than the feature's spread.
    let model = &model.folded(false);
    let mut graph = Graph::default();
    // Weights keep the layout of `nn.Linear`, `[n_out, n_in]`, hence `transB` below.
    for tensor in model.tensors().iter().filter(|tensor| !tensor.name.ends_with(".alpha")) {
        graph.constant(&tensor.name, &tensor.shape, &tensor.values);
    }
    let mut y = graph.prepare(model, "x".to_owned());
    for l in 0..model.layers.len() {
        let hidden = l + 1 < model.layers.len() || config.rule.kind.is_unsupervised();
        graph.layer = l;
        let inputs = [y, format!("layers.{l}.weight"), format!("layers.{l}.bias")];
        y = graph.node("Gemm", &inputs, Some(("transB", 1)));
        y = if hidden { graph.hidden(config.network.activation, y) } else { graph.output(config.network.output, y) };
    }
    graph.rename_last("y");
    let graph = Message::default()
        .messages(1, graph.nodes.iter().map(Node::message))
        .bytes(2, "homeostat")
        .messages(5, graph.constants)
        .message(11, value("x", n_in, "features as in training; bytes scaled to 0 … 1"))
        .message(12, value("y", model.classes(), "outputs; the largest is the class"));
    let data = model.data.as_ref().map(to_json).transpose()?;
    let property = |(key, value): (&str, &str)| Message::default().bytes(1, key).bytes(2, value);
    let file = Message::default()
        .int(1, IR_VERSION)
        .bytes(2, "homeostat")
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, Message::default().bytes(1, "").int(2, OPSET))
        .messages(14, model.config.as_deref().map(|json| property(("config", json))))
        .messages(14, data.as_deref().map(|json| property(("data", json))))
        .into_bytes();
    if file.len() > MOST_BYTES {
        return Err(Error::file(
            path,
            format!("{weights} weights are more than an ONNX file holds (2 GiB); use `format = npz` or safetensors"),
        ));
    }
    Ok(file)
}

/// A `ValueInfoProto` for a tensor of N rows of `width` floats.
fn value(name: &str, width: usize, about: &str) -> Message {
    let sizes = [Message::default().bytes(2, "N"), Message::default().int(1, width as u64)];
    let tensor = Message::default().int(1, FLOAT).message(2, Message::default().messages(1, sizes));
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor)).bytes(3, about)
}

struct Node {
    operator: &'static str,
    inputs: Vec<String>,
    output: String,
    attribute: Option<(&'static str, u64)>,
}

impl Node {
    /// Encodes the node as a `NodeProto`.
    fn message(&self) -> Message {
        const INT: u64 = 2;
        let attribute = |(name, value): (&str, u64)| Message::default().bytes(1, name).int(3, value).int(20, INT);
        self.inputs
            .iter()
            .fold(Message::default(), |message, input| message.bytes(1, input))
            .bytes(2, &self.output)
            .bytes(3, &self.output)
            .bytes(4, self.operator)
            .messages(5, self.attribute.map(attribute))
    }
}

/// A graph under construction.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    constants: Vec<Message>,
    layer: usize,
}

impl Graph {
    /// Appends a node and returns the name of its output.
    fn node(&mut self, operator: &'static str, inputs: &[String], attribute: Option<(&'static str, u64)>) -> String {
        let output = format!("layers.{}.{}.{}", self.layer, operator.to_lowercase(), self.nodes.len());
        self.nodes.push(Node { operator, inputs: inputs.to_vec(), output: output.clone(), attribute });
        output
    }

    /// Appends a `TensorProto` to the initializers.
    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let sizes = shape.iter().fold(Message::default(), |message, &size| message.int(1, size as u64));
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(sizes.int(2, FLOAT).bytes(8, name).bytes(9, bytes));
    }

    /// Appends the nodes that impute and scale features.
    fn prepare(&mut self, model: &Model, x: String) -> String {
        let Some(scaling) = model.data.as_ref().and_then(|data| data.preparation.scaling.as_ref()) else { return x };
        let mut x = x;
        let constant = |graph: &mut Self, name: &str, values: &mut dyn Iterator<Item = f64>| {
            let values: Vec<f32> = values.map(|value| value as f32).collect();
            graph.constant(name, &[1, values.len()], &values);
        };
        if let Some(fill) = &scaling.fill {
            constant(self, "features.fill", &mut fill.iter().copied());
            let missing = self.node("IsNaN", &[x.clone()], None);
            x = self.node("Where", &[missing, "features.fill".into(), x], None);
        }
        // An offset is an f32 and its rounding error, because features may be close to a large offset.
        let rounded = |offset: &f64| f64::from(*offset as f32);
        constant(self, "features.offset", &mut scaling.offset.iter().copied());
        constant(self, "features.offset_error", &mut scaling.offset.iter().map(|offset| offset - rounded(offset)));
        constant(self, "features.factor", &mut scaling.factor.iter().copied());
        for (operator, name) in
            [("Sub", "features.offset"), ("Sub", "features.offset_error"), ("Mul", "features.factor")]
        {
            x = self.node(operator, &[x, name.to_owned()], None);
        }
        x
    }

    /// Appends a product with the constant `name`, which the first call creates with the value `factor`.
    fn scale(&mut self, net: String, name: &str, factor: f32) -> String {
        if !self.nodes.iter().any(|node| node.inputs.iter().any(|input| input == name)) {
            self.constant(name, &[], &[factor]);
        }
        self.node("Mul", &[net, name.to_owned()], None)
    }

    fn hidden(&mut self, f: Activation, net: String) -> String {
        f.graph().iter().fold(net, |value, node| match *node {
            function::Node::Operator(operator) => self.node(operator, &[value], None),
            function::Node::Scale(name, factor) => self.scale(value, name, factor),
        })
    }

    fn output(&mut self, f: Output, net: String) -> String {
        match f {
            Output::Logistic => self.node("Sigmoid", &[net], None),
            Output::Softmax => self.node("Softmax", &[net], Some(("axis", 1))),
            Output::Linear => net,
        }
    }

    /// Renames the output of the last node, which no other node reads, to the output of the graph.
    fn rename_last(&mut self, name: &str) {
        if let Some(last) = self.nodes.last_mut() {
            name.clone_into(&mut last.output);
        }
    }
}
