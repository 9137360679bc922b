//! The rules that go by the error of the whole training set: iRprop+ (Igel & Hüsken 2000), and local rates under the line search
//! of Magoulas et al. 1999 or under Wolfe's conditions (Magoulas et al. 2002).

use super::output_delta::Target;
use super::{Matrix, Network, Score};
use homeostat::config::{Config, Rule};

/// What a search knows between two steps.
#[derive(Clone, Debug)]
pub struct Known {
    error: f64,
    error_before: f64,
}

type Samples<'a> = [(&'a [f64], Target)];

/// g = −∂E/∂w of the whole set, per layer.
fn gradient(network: &Network, samples: &Samples<'_>) -> Vec<Matrix> {
    let w = |network: &Network| network.layers.iter().map(|layer| layer.w.clone()).collect::<Vec<Matrix>>();
    let mut config = network.config.clone();
    config.rule.kind = Rule::Constant;
    config.rule.alpha0 = 1.0;
    let before = w(network);
    // A step of plain back-propagation with the rate 1 is the gradient.
    let mut probe = Network::new(&config, &before, samples.len(), None);
    probe.step(samples, false);
    let difference = |(after, before): (Vec<f64>, &Vec<f64>)| after.iter().zip(before).map(|(a, b)| a - b).collect();
    let layer = |(after, before): (Matrix, &Matrix)| after.into_iter().zip(before).map(difference).collect();
    w(&probe).into_iter().zip(&before).map(layer).collect()
}

fn largest(gradient: &Matrix) -> f64 {
    gradient.iter().flatten().fold(0.0, |most, g| most.max(g.abs()))
}

/// The mean loss with the penalty ½ λ w² on all weights but the biases.
fn error(network: &Network, samples: &Samples<'_>) -> f64 {
    let weights = network.layers.iter().flat_map(|layer| &layer.w[..layer.w.len() - 1]).flatten();
    let lambda = network.config.regularisation.weight_decay;
    network.score(samples).loss + 0.5 * lambda * weights.map(|w| w * w).sum::<f64>()
}

/// The least fall of the error that a step may have, as a share of step times slope, and the largest share of the slope that may be
/// left at its end.
fn conditions(rule: Rule) -> (f64, Option<f64>) {
    match rule {
        Rule::LipschitzArmijo => (0.5, None),
        Rule::LipschitzWolfe => (1e-4, Some(0.9)),
        rule => unreachable!("{rule} does not search along a line"),
    }
}

impl Network {
    /// Trains one epoch on the whole set.
    pub fn search(&mut self, samples: &Samples<'_>) -> Score {
        let known = self.known.take();
        let known = known.unwrap_or_else(|| Known { error: error(self, samples), error_before: f64::INFINITY });
        let g = gradient(self, samples);
        match self.config.rule.kind {
            Rule::IrpropPlus => self.irprop_plus(&g, &known),
            _ => self.along_a_line(&g, &known, samples),
        }
        self.steps += 1;
        let at_the_end = gradient(self, samples);
        for (layer, g) in self.layers.iter_mut().zip(at_the_end) {
            let cells = layer.memory.iter_mut().flatten().zip(g.concat());
            cells.for_each(|(memory, g)| memory[1] = g);
        }
        self.known = Some(Known { error: error(self, samples), error_before: known.error });
        self.score(samples)
    }

    fn irprop_plus(&mut self, g: &[Matrix], known: &Known) {
        let Config { constants, .. } = &self.config;
        let mut turned = false;
        for (layer, g) in self.layers.iter_mut().zip(g) {
            let (rows, columns, largest) = (layer.w.len(), layer.w[0].len(), largest(g));
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let (w, g) = (&mut layer.w[i][j], g[i][j]);
                let [size, _, last, before] = &mut layer.memory[i][j][..] else { unreachable!("four numbers") };
                if g != 0.0 {
                    self.margin = self.margin.min(50.0 * g.abs() / largest);
                }
                let previous = *before;
                *before = *w;
                if *last * g < 0.0 {
                    turned = true;
                    *size = constants.rprop_min.max(constants.rprop_eta_minus * *size);
                    *last = 0.0;
                    if known.error > known.error_before {
                        *w = previous;
                    }
                } else {
                    if *last * g > 0.0 {
                        *size = constants.rprop_max.min(constants.rprop_eta_plus * *size);
                    }
                    *w += if g == 0.0 { 0.0 } else { g.signum() * *size };
                    *last = g;
                }
            }
        }
        if turned {
            self.margin = self.margin.min(100.0 * (known.error / known.error_before - 1.0).abs());
        }
    }

    fn along_a_line(&mut self, g: &[Matrix], known: &Known, samples: &Samples<'_>) {
        let (descent, curvature) = conditions(self.config.rule.kind);
        let most = self.config.constants.lipschitz_max;
        let largest: Vec<f64> = g.iter().map(largest).collect();
        let cells = |l: usize| (0..g[l].len()).flat_map(move |i| (0..g[l][0].len()).map(move |j| (l, i, j)));
        let all: Vec<(usize, usize, usize)> = (0..g.len()).flat_map(cells).collect();
        for &(l, i, j) in &all {
            let w = self.layers[l].w[i][j];
            let [rate, _, last, before] = &mut self.layers[l].memory[i][j][..] else { unreachable!("four numbers") };
            let (change, moved) = ((g[l][i][j] - *last).abs(), (w - *before).abs());
            if self.steps > 0 && change > 0.0 && moved > 0.0 {
                *rate = most.min(0.5 / (change / moved));
                // Both are differences of f32 values in an engine.
                self.margin = self.margin.min(0.5 * change / largest[l]).min(8.0 * moved / (w.abs() + before.abs()));
            }
            (*last, *before) = (g[l][i][j], w);
        }
        let rates: Vec<f64> = all.iter().map(|&(l, i, j)| self.layers[l].memory[i][j][0]).collect();
        let gs: Vec<f64> = all.iter().map(|&(l, i, j)| g[l][i][j]).collect();
        let slope: f64 = rates.iter().zip(&gs).map(|(rate, g)| rate * g * g).sum();
        let go = |network: &mut Self, tau: f64| {
            for (&(l, i, j), (rate, g)) in all.iter().zip(rates.iter().zip(&gs)) {
                let layer = &mut network.layers[l];
                layer.w[i][j] = layer.memory[i][j][3] + tau * rate * g;
                layer.memory[i][j][0] = tau * rate;
            }
        };
        let (mut tau, mut short, mut long) = (1.0, 0.0, f64::INFINITY);
        for _ in 0..20 {
            go(self, tau);
            let (fall, there) = (known.error - error(self, samples), gradient(self, samples));
            let end: f64 =
                all.iter().zip(rates.iter().zip(&gs)).map(|(&(l, i, j), (rate, g))| rate * g * there[l][i][j]).sum();
            let surplus = fall - descent * tau * slope;
            // The errors are sums in f32 in an engine, with about seven digits.
            self.margin = self.margin.min(100.0 * surplus.abs() / known.error);
            if let Some(most) = curvature {
                self.margin = self.margin.min((end / slope - most).abs());
            }
            let (descends, is_short) = (surplus >= 0.0, curvature.is_some_and(|most| end > most * slope));
            if descends && !is_short {
                return;
            }
            let bound = if descends { &mut short } else { &mut long };
            *bound = tau;
            tau = if long == f64::INFINITY { 2.0 * tau } else { (short + long) / 2.0 };
        }
        // The longest step that descends, or none, and then α0 is the next rate.
        go(self, short);
        if short == 0.0 {
            let alpha0 = self.config.rule.alpha0;
            all.iter().for_each(|&(l, i, j)| self.layers[l].memory[i][j][0] = alpha0);
        }
    }
}
