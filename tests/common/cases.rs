//! The golden cases: runs with a known outcome.

use crate::oracle::Matrix;
use homeostat::config::{Clock, Config, DecayTicks};

/// The expected results after one epoch.
pub struct Epoch {
    pub loss: f64,
    pub error: f64,
    pub alpha_mean: Vec<f64>,
}

/// A run with its expected outcome.
pub struct Case {
    pub name: String,
    pub config: Config,
    pub x: Vec<Vec<f64>>,
    pub labels: Vec<usize>,
    pub initial: Vec<Matrix>,
    pub weights: Vec<Matrix>,
    /// Per layer, `[1][n_out]` or `[n_in + 1][n_out]`.
    pub alpha: Vec<Matrix>,
    pub after: Vec<Epoch>,
}

fn matrix(value: &serde_json::Value) -> Matrix {
    serde_json::from_value(value.clone()).expect("a matrix")
}

/// All golden cases, sorted by file name.
pub fn golden() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    assert_eq!(files.len(), 11, "golden cases are missing");
    files.iter().map(|path| golden_case(&std::fs::read_to_string(path).unwrap())).collect()
}

fn golden_case(text: &str) -> Case {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let settings = &json["config"];
    let word = |key: &str| serde_json::from_value(settings[key].clone());
    let number = |key: &str| settings[key].as_f64().unwrap();
    let layers: Vec<usize> = serde_json::from_value(json["layers"].clone()).unwrap();
    let config = Config::default()
        .data("golden")
        .test_fraction(0.0)
        .no_shuffle(true)
        .hidden(layers[1..layers.len() - 1].to_vec())
        .activation(serde_json::from_value(settings["hidden"].clone()).unwrap())
        .output(serde_json::from_value(settings["output"].clone()).unwrap())
        .loss(serde_json::from_value(settings["loss"].clone()).unwrap())
        .rule(serde_json::from_value(settings["rule"].clone()).unwrap())
        .basis(serde_json::from_value(settings["basis"].clone()).unwrap())
        .scope(serde_json::from_value(settings["scope"].clone()).unwrap())
        .decay(serde_json::from_value(settings["shape"].clone()).unwrap())
        .latch(serde_json::from_value(settings["latch"].clone()).unwrap())
        .alpha0(number("alpha0"))
        .theta(number("theta"))
        .decay_ticks(settings["duration"].as_f64().map_or(DecayTicks::ToEnd, DecayTicks::Ticks))
        .decay_power(number("power"))
        .decay_base(number("base"))
        .clock(settings["clock"].as_u64().map_or(Clock::Epoch, |k| Clock::Steps(k as u32)))
        .momentum(number("momentum"))
        .batch_size(number("batch") as usize)
        .arm(word("arm").unwrap())
        .coast(settings["coast"].as_bool().unwrap())
        .warmup(number("warmup") as u32)
        .epochs(json["epochs"].as_u64().unwrap() as u32);
    config.check().unwrap();
    let after = |entry: &serde_json::Value| Epoch {
        loss: entry["loss"].as_f64().unwrap(),
        error: entry["error"].as_f64().unwrap(),
        alpha_mean: serde_json::from_value(entry["alpha_mean"].clone()).unwrap(),
    };
    let list = |key: &str| json[key].as_array().unwrap();
    let alpha = |value: &serde_json::Value| match value[0].is_array() {
        true => matrix(value),
        false => vec![serde_json::from_value(value.clone()).unwrap()],
    };
    Case {
        name: json["name"].as_str().unwrap().to_owned(),
        // The samples were f32 values, printed with the fewest digits that identify them. The cast restores the exact
        // values.
        x: matrix(&json["x"]).iter().map(|row| row.iter().map(|&v| f64::from(v as f32)).collect()).collect(),
        labels: serde_json::from_value(json["label"].clone()).unwrap(),
        initial: list("initial_weights").iter().map(matrix).collect(),
        weights: list("final_weights").iter().map(matrix).collect(),
        alpha: list("final_alpha").iter().map(alpha).collect(),
        after: list("after_epoch").iter().map(after).collect(),
        config,
    }
}
