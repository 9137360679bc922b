//! Tests the oracle: gradients against finite differences of the loss, ψ's curves against the paper and the authors'
//! code. Also tests the crate's ψ against the oracle's.

use crate::close::close;
use crate::oracle::output_delta::{Answer, Target};
use crate::oracle::{Matrix, Network, activation, output_delta, psi as oracle_psi};
use crate::settings::{pick, random_settings};
use clap::ValueEnum;
use homeostat::config::{Activation, Clock, Config, Decay, DecayTicks, Loss, Output, OutputDerivative, Rule, Theta};
use homeostat::rng::{Random, Stream};
use homeostat::rule::member::Member;
use homeostat::rule::psi::{self, Slot};

fn random_matrix(random: &mut Random, rows: usize, columns: usize, scale: f64) -> Matrix {
    (0..rows).map(|_| (0..columns).map(|_| scale * random.normal()).collect()).collect()
}

/// Every output layer whose δ is the gradient of its loss, with an answer for each of five samples.
fn output_layers() -> Vec<(Config, Vec<Target>)> {
    let classes = || [0, 2, 1, 1, 0].map(Answer::Class).to_vec();
    let amounts = || (0..5).map(|i| Answer::Amounts(vec![0.7 * f64::from(i), -1.2, 3.0 / f64::from(i + 1)])).collect();
    let labels = || (0..5).map(|i| Answer::Labels([1, 2, 4].map(|bit| f64::from(i & bit) / f64::from(bit)).to_vec()));
    let diagonal = Config::default().output_derivative(OutputDerivative::Diagonal);
    let full = Config::default().output_derivative(OutputDerivative::Full);
    let layers: [(Config, Vec<Answer>); 8] = [
        (diagonal.clone().output(Output::Logistic).loss(Loss::Mse), classes()),
        (diagonal.clone().output(Output::Logistic).loss(Loss::CrossEntropy), classes()),
        (diagonal.clone().output(Output::Softmax).loss(Loss::CrossEntropy), classes()),
        (diagonal.clone().output(Output::Linear).loss(Loss::Mse), classes()),
        (full.output(Output::Softmax).loss(Loss::Mse), classes()),
        (diagonal.clone().output(Output::Linear).loss(Loss::Mse), amounts()),
        (diagonal.clone().output(Output::Logistic).loss(Loss::CrossEntropy), labels().collect()),
        (diagonal.output(Output::Logistic).loss(Loss::Mse), labels().collect()),
    ];
    let with_weights = |(config, answers): (Config, Vec<Answer>)| {
        [[1.0; 5], [0.5, 2.0, 0.0, 1.5, 1.0]].map(|weights| {
            let targets = answers.iter().cloned().zip(weights).map(|(answer, weight)| Target { answer, weight });
            (config.clone(), targets.collect())
        })
    };
    layers.into_iter().flat_map(with_weights).collect()
}

/// −δ_L is the derivative of a sample's loss, weight included, with respect to net.
#[test]
fn output_deltas_are_the_gradient_of_the_loss() {
    let mut random = Random::new(32, Stream::Weights, 0);
    for (config, targets) in output_layers() {
        for target in targets {
            let net: Vec<f64> = (0..3).map(|_| 1.5 * random.normal()).collect();
            let h = 1e-5;
            let slope = |k: usize| {
                let loss = |by: f64| {
                    let mut net = net.clone();
                    net[k] += by;
                    output_delta::output(&net, &target, &config).loss
                };
                (loss(h) - loss(-h)) / (2.0 * h)
            };
            let got: Vec<f64> = output_delta::output(&net, &target, &config).delta;
            let want: Vec<f64> = (0..3).map(|k| -slope(k)).collect();
            let what = format!("{} {} {target:?}", config.network.output, config.network.loss);
            close(&what, &got, &want, 1e-6, 1e-8).unwrap();
        }
    }
}

/// The errors that reports count: wrong classes, absolute errors, and samples with any wrong label. Weights play no part.
#[test]
fn errors_are_counted_by_the_task() {
    let error = |config: &Config, net: &[f64], answer: Answer| {
        output_delta::output(net, &Target { answer, weight: 3.0 }, config).error
    };
    let softmax = Config::default();
    assert_eq!(error(&softmax, &[0.5, 0.5, -1.0], Answer::Class(0)), 0.0);
    assert_eq!(error(&softmax, &[0.5, 0.5, -1.0], Answer::Class(1)), 1.0);
    let linear = Config::default().output(Output::Linear).loss(Loss::Mse);
    assert_eq!(error(&linear, &[1.0, -2.0], Answer::Amounts(vec![0.5, 1.0])), 3.5);
    let logistic = Config::default().output(Output::Logistic);
    assert_eq!(error(&logistic, &[0.1, -0.1, 0.0], Answer::Labels(vec![1.0, 0.0, 0.0])), 0.0);
    assert_eq!(error(&logistic, &[0.1, 0.1, 0.0], Answer::Labels(vec![1.0, 0.0, 0.0])), 1.0);
}

/// One step with α = 1 and no momentum moves every weight by −∂E/∂w of the mean loss. So the change of the weights must
/// equal central differences of the loss.
#[test]
fn steps_follow_the_gradient_of_the_loss() {
    let mut random = Random::new(31, Stream::Weights, 0);
    let mut failures = vec![];
    for &activation in Activation::value_variants() {
        for (config, targets) in output_layers() {
            let config =
                config.activation(activation).rule(Rule::Constant).alpha0(1.0).batch_size(5).epochs(1).hidden([6, 4]);
            let weights: Vec<Matrix> = [(7, 6), (7, 4), (5, 3)]
                .iter()
                .map(|&(rows, columns)| random_matrix(&mut random, rows, columns, 0.6))
                .collect();
            let x = random_matrix(&mut random, 5, 6, 1.0);
            let samples: Vec<(&[f64], Target)> = x.iter().map(Vec::as_slice).zip(targets).collect();
            let loss_at = |weights: &[Matrix]| Network::new(&config, weights, 5, None).score(&samples).loss;
            let mut stepped = Network::new(&config, &weights, 5, None);
            stepped.step(&samples, true);
            let h = 1e-5;
            for l in 0..weights.len() {
                let (mut got, mut want) = (vec![], vec![]);
                for i in 0..weights[l].len() {
                    for j in 0..weights[l][i].len() {
                        let moved = |by: f64| {
                            let mut weights = weights.clone();
                            weights[l][i][j] += by;
                            loss_at(&weights)
                        };
                        got.push(stepped.layers[l].w[i][j] - weights[l][i][j]);
                        want.push(-(moved(h) - moved(-h)) / (2.0 * h));
                    }
                }
                let (output, loss) = (config.network.output, config.network.loss);
                let what = format!("{activation} {output} {loss} {:?}, layer {l}", samples[0].1);
                failures.extend(close(&what, &got, &want, 1e-6, 1e-8).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// By default, softmax with squared error uses the diagonal derivative y(1 − y), as the authors' code does. This is not
/// the gradient, so finite differences cannot test it.
#[test]
fn softmax_with_squared_error_takes_the_diagonal() {
    let net = [0.3, -1.2, 2.0];
    let outcome = output_delta::output(&net, &1.into(), &Config::default().output(Output::Softmax).loss(Loss::Mse));
    let total: f64 = net.iter().map(|v: &f64| v.exp()).sum();
    for (k, delta) in outcome.delta.iter().enumerate() {
        let y = net[k].exp() / total;
        let d = if k == 1 { 1.0 } else { 0.0 };
        assert!((delta - (d - y) * y * (1.0 - y)).abs() < 1e-15);
    }
}

#[test]
fn activations_have_published_values() {
    // LeCun et al. 1998: f(1) = 1 and f(−1) = −1.
    assert!((activation::f(Activation::ScaledTanh, 1.0) - 1.0).abs() < 1e-4);
    assert!((activation::f(Activation::ScaledTanh, -1.0) + 1.0).abs() < 1e-4);
    assert!((activation::f(Activation::Logistic, 0.0) - 0.5).abs() < 1e-15);
    assert!((activation::slope(Activation::Logistic, 0.0) - 0.25).abs() < 1e-15);
    for &kind in Activation::value_variants() {
        for net in [-2.0, -0.3, 0.4, 1.7] {
            let difference = (activation::f(kind, net + 1e-6) - activation::f(kind, net - 1e-6)) / 2e-6;
            assert!((activation::slope(kind, net) - difference).abs() < 1e-8, "{kind} at {net}");
        }
    }
}

/// Published curves, with values worked out by hand.
#[test]
fn decays_have_published_values() {
    let e2 = std::f64::consts::E.powi(2);
    let log = Config::default().decay(Decay::Log);
    let ten = log.clone().decay_base(10.0);
    let hyperbolic = Config::default().decay(Decay::Hyperbolic);
    let linear = Config::default().decay(Decay::Linear);
    let cosine = Config::default().decay(Decay::Cosine);
    let author = 0.4 / 0.0075;
    let cases = [
        // The paper's α = −ln(x) + 2, normalised by its 2, at x = 1 + n.
        (&log, 1, e2 - 1.0, (2.0 - 2.0_f64.ln()) / 2.0),
        (&log, 5, e2 - 1.0, (2.0 - 6.0_f64.ln()) / 2.0),
        (&log, 7, e2 - 1.0, 0.0),
        // With log10, α reaches 0 at x = 100.
        (&ten, 9, 99.0, 0.5),
        (&ten, 99, 99.0, 0.0),
        // The authors' (n + 1)^−0.4 and their linear fall of 0.0075 a tick from 0.4.
        (&hyperbolic, 31, 1.0, 0.25),
        (&linear, 1, author, (0.4 - 0.0075) / 0.4),
        (&linear, 53, author, (0.4 - 53.0 * 0.0075) / 0.4),
        (&linear, 54, author, 0.0),
        (&cosine, 1, 3.0, 0.75),
        (&cosine, 9, 3.0, 0.0),
    ];
    for (config, n, ticks, want) in cases {
        let got = oracle_psi::decay(config, n, ticks);
        assert!((got - want).abs() < 1e-12, "{} at {n} of {ticks}: {got} instead of {want}", config.rule.decay);
    }
}

/// Every α reaches 0 at the last tick and not before, whatever tick triggered it.
#[test]
fn to_end_reaches_zero_at_the_last_tick() {
    for decay in [Decay::Linear, Decay::Log, Decay::Cosine] {
        for base in [std::f64::consts::E, 10.0] {
            let config = Config::default().decay(decay).decay_ticks(DecayTicks::ToEnd).decay_base(base);
            let member = Member::new(&config, &config, 15);
            for onset in 1..=15_u16 {
                for t in onset..=15 {
                    let slot = Slot { n: f32::from(t - onset + 1), onset: f32::from(onset), ..Slot::default() };
                    assert_eq!(psi::psi(&member, &slot) == 0.0, t == 15, "{decay}, triggered at {onset}, tick {t}");
                }
            }
        }
    }
}

/// With 40 % of 15 ticks, N is 6: α is 0 from the sixth tick after the trigger on, whatever tick triggered it.
#[test]
fn a_share_of_the_run_is_a_length() {
    for decay in [Decay::Linear, Decay::Log, Decay::Cosine] {
        let config = Config::default().decay(decay).decay_ticks(DecayTicks::Share { percent: 40.0 });
        let member = Member::new(&config, &config, 15);
        for onset in 1..=15 {
            for t in onset..=15 {
                let (n, slot) = (t - onset + 1, Slot::latched(onset, t));
                let want = oracle_psi::decay(&config, n, 6.0);
                assert!((f64::from(psi::psi(&member, &slot)) - want).abs() < 2e-7, "{decay}, {onset}, tick {t}");
                assert_eq!(psi::psi(&member, &slot) == 0.0, n >= 6, "{decay}, triggered at {onset}, tick {t}");
            }
        }
    }
}

/// f32 must not round α to 0 before a long decay ends, because α = 0 freezes the weight.
#[test]
fn a_long_fall_keeps_its_last_ticks() {
    let ticks = 100_000;
    for decay in [Decay::Linear, Decay::Log, Decay::Cosine] {
        let config = Config::default().decay(decay).decay_ticks(DecayTicks::ToEnd);
        let member = Member::new(&config, &config, ticks);
        for n in [1, 50_000, 99_000, 99_990, 99_999] {
            let (got, want) =
                (psi::psi(&member, &Slot::latched(1, n)), oracle_psi::decay(&config, n, f64::from(ticks)));
            let off = (f64::from(got) - want).abs();
            assert!(off < 2e-7 && off < 0.02 * want, "{decay} at {n}: {got} instead of {want}");
        }
    }
}

/// The crate's ψ, in f32 and closed form, follows the oracle's through random histories of means.
#[test]
fn host_psi_follows_the_oracle() {
    let mut random = Random::new(41, Stream::Order, 0);
    let mut triggered = 0;
    for _ in 0..3000 {
        let ticks = 3 + random.below(30);
        let mut config = random_settings(&mut random).epochs(ticks).clock(Clock::Epoch);
        config.rule.warmup = random.below(3);
        config.rule.decay_ticks = match random.below(3) {
            0 => DecayTicks::ToEnd,
            1 => DecayTicks::Share { percent: 100.0 * (1.0 - random.uniform()) },
            _ => DecayTicks::Ticks(0.5 + 20.0 * random.uniform()),
        };
        config.rule.decay_base = pick(&mut random, &[std::f64::consts::E, 10.0]);
        if random.below(3) == 0 {
            config.rule.theta = None;
            config.rule.theta_sliding =
                Some(format!("{}:{}", 0.8 + 0.4 * random.uniform(), 1 + random.below(5)).parse().unwrap());
        }
        let member = Member::new(&config, &config, ticks);
        let (mut slot, mut oracle) = (Slot::new(&member), oracle_psi::Slot::default());
        let middle = config.rule.theta.unwrap_or(0.5);
        for t in 1..=ticks {
            let mean = (middle * (0.5 + random.uniform())) as f32;
            if oracle_psi::tick(&config, &mut oracle, Some(f64::from(mean)), t) < 1e-5 {
                break; // f32 may decide this comparison differently
            }
            psi::tick(&member, &mut slot, mean, 1.0, t as f32);
            let (got, want) = (f64::from(psi::psi(&member, &slot)), oracle_psi::psi(&config, &oracle, ticks));
            assert!((got - want).abs() < 2e-6, "tick {t}: {got} instead of {want}; {config:?}");
            triggered += u32::from(want < 1.0);
        }
    }
    assert!(triggered > 10_000, "the histories trigger too rarely ({triggered}) to test anything");
}

/// Expected values: `numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], q)` with its default, linear method.
#[test]
fn quantiles_equal_numpys() {
    let values = [3.0_f32, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
    for (q, want) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.5), (0.9, 6.9), (1.0, 9.0)] {
        let got = psi::quantile(&mut values.clone(), q);
        assert!((f64::from(got) - want).abs() < 1e-6, "{q}: {got}");
        let wide: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
        assert!((oracle_psi::quantile(&wide, q) - want).abs() < 1e-12);
    }
    assert!(matches!(Config::default().theta(None).theta_quantile(0.5).threshold(), Theta::Quantile(_)));
}
