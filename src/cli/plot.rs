//! `homeostat plot`: draws the curves of the model, and figures of a sweep, as SVG.

use super::compare::split;
use super::outputs::check_free;
use super::print::say_block;
use crate::config::{Config, Decay, DecayTicks};
use crate::error::{Error, Result};
use crate::files::write_atomic;
use crate::report::{self, Curves, Fall, Figure};
use crate::run::gather;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// Most epochs or ticks of a curve.
const MOST: u32 = 100_000;

/// Draw the curves of the model, or figures of a sweep, as SVG.
#[derive(clap::Args)]
pub struct Plot {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// α over a training: constant until the trigger, then the linear and the logarithmic fall (the paper's Fig. 3)
    Psi {
        /// Epochs of the training
        #[arg(long, value_name = "N", default_value_t = 30)]
        epochs: u32,
        /// Epoch in which the mean |y| of the neuron first exceeds θ_M
        #[arg(long, value_name = "N", default_value_t = 8)]
        trigger: u32,
        /// Epochs N from the trigger until α is 0; P% is a share of the epochs, to-end: 0 after the last epoch
        #[arg(long, value_name = "N|P%|to-end", default_value_t = DecayTicks::Ticks(16.0))]
        decay_ticks: DecayTicks,
        /// Threshold θ_M
        #[arg(long, value_name = "F", default_value_t = 0.6)]
        theta: f64,
        #[command(flatten)]
        to: To,
    },
    /// ψ along each of its decays, as training computes it: α(n)/α0 against n/N
    Decays {
        /// Decays to draw [default: all]
        #[arg(long, value_enum, value_delimiter = ',', value_name = "DECAY,…")]
        decay: Vec<Decay>,
        /// N, the ticks until α is 0
        #[arg(long, value_name = "N", default_value_t = 50)]
        decay_ticks: u32,
        /// Exponents p of the hyperbolic decay
        #[arg(long, value_name = "F,…", value_delimiter = ',', default_values_t = [0.4])]
        decay_power: Vec<f64>,
        /// Bases b of the log decay
        #[arg(long, value_name = "F,…", value_delimiter = ',', default_values_t = [std::f64::consts::E, 10.0])]
        decay_base: Vec<f64>,
        #[command(flatten)]
        to: To,
    },
    /// BCM's φ(y) = y (y − θ_M), with thresholds between which θ_M slides (the paper's Fig. 1)
    Bcm {
        /// Thresholds θ_M
        #[arg(long, value_name = "F,…", value_delimiter = ',', default_values_t = [0.4, 0.7, 1.0])]
        theta: Vec<f64>,
        #[command(flatten)]
        to: To,
    },
    /// The outcome of every run of a sweep, arm by arm, with the mean and its 95 % interval
    Outcomes(OfSweep),
    /// The mean outcome of every arm of a sweep against the arithmetic that it took, and which arms no other beats
    Pareto(OfSweep),
}

#[derive(clap::Args)]
struct OfSweep {
    /// Results of a sweep (a directory, or merged *.jsonl)
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,
    /// Metric to draw, as in `final` of the records [default: test_rmse of regressions, else test_error]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Draw only these arms; * stands for any text
    #[arg(long, value_name = "ARM,ARM")]
    arms: Vec<String>,
    #[command(flatten)]
    to: To,
}

impl OfSweep {
    fn draw(self, figure: Figure) -> Result<(String, To)> {
        let records = gather(&self.results)?;
        let known: Vec<&str> = records.iter().map(|record| record.arm.as_str()).collect();
        let arms = split(&self.arms, &known);
        Ok((report::figure(figure, &records, &arms, self.metric.as_deref())?, self.to))
    }
}

#[derive(clap::Args)]
struct To {
    /// File to write [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

impl Plot {
    /// Draws the curves and writes the SVG.
    pub fn run(self) -> Result<()> {
        let positive = |flag: &str, values: &[f64], above: f64| match values
            .iter()
            .find(|value| !(value.is_finite() && **value > above))
        {
            Some(value) => Err(Error::config(format!("--{flag} {value}: must be above {above}"))),
            None => Ok(()),
        };
        let count = |flag: &str, value: u32, most: u32| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(Error::config(format!("--{flag} {value}: must be 1 … {most}"))),
        };
        let (drawing, to) = match self.what {
            What::Psi { epochs, trigger, decay_ticks, theta, to } => {
                count("epochs", epochs, MOST)?;
                count("trigger", trigger, epochs)?;
                Config::default().decay_ticks(decay_ticks).check()?;
                if !(theta > 0.0 && theta < 1.0) {
                    return Err(Error::config(format!("--theta {theta}: must be between 0 and 1")));
                }
                (report::psi(&Fall { epochs, trigger, ticks: decay_ticks, theta }), to)
            }
            What::Decays { decay, decay_ticks, decay_power, decay_base, to } => {
                positive("decay-power", &decay_power, 0.0)?;
                positive("decay-base", &decay_base, 1.0)?;
                count("decay-ticks", decay_ticks, MOST)?;
                let decays = if decay.is_empty() { Decay::value_variants().to_vec() } else { decay };
                (report::decays(&Curves { ticks: decay_ticks, decays, powers: decay_power, bases: decay_base }), to)
            }
            What::Bcm { theta, to } => {
                positive("theta", &theta, 0.0)?;
                (report::bcm(&theta), to)
            }
            What::Outcomes(of) => of.draw(Figure::Outcomes)?,
            What::Pareto(of) => of.draw(Figure::Pareto)?,
        };
        let Some(path) = &to.out else { return say_block(drawing.trim_end()) };
        check_free(path, to.force)?;
        write_atomic(path, drawing.as_bytes())
    }
}
