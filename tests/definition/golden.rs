//! The golden cases: the oracle reproduces them to 1e-10.

use crate::cases::golden;
use crate::close::close;
use crate::oracle::Network;

#[test]
fn the_oracle_reproduces_golden_cases() {
    let mut failures = vec![];
    for case in golden() {
        let mut network = Network::new(&case.config, &case.initial, case.x.len(), None);
        let after = network.run(&case.x, &case.labels, case.labels.iter().max().unwrap() + 1);
        let mut compare = |what: String, got: Vec<f64>, want: Vec<f64>| {
            failures.extend(close(&format!("{}: {what}", case.name), &got, &want, 1e-10, 1e-12).err());
        };
        for (l, layer) in network.layers.iter().enumerate() {
            compare(format!("weights {l}"), layer.w.concat(), case.weights[l].concat());
            compare(format!("α {l}"), network.alphas(l).concat(), case.alpha[l].concat());
        }
        for (epoch, (got, want)) in after.iter().zip(&case.after).enumerate() {
            compare(format!("epoch {epoch}"), vec![got.score.loss, got.score.error], vec![want.loss, want.error]);
            compare(format!("mean α, epoch {epoch}"), got.alpha_mean.clone(), want.alpha_mean.clone());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
