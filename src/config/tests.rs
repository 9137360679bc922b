//! Tests of how layers of settings are laid over each other, and of the checks.

use super::*;
use crate::error::Result;
use clap::ValueEnum;

fn with(text: &str) -> Result<Config> {
    Config::overlay([&text.parse::<toml::Table>().unwrap()])
}

#[test]
fn the_default_is_valid_and_survives_its_own_record() {
    let config = Config::overlay([]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(Config::overlay([&config.to_table()]).unwrap(), config);
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}

#[test]
fn presets_are_complete_and_differ_from_the_default() {
    for preset in Preset::value_variants() {
        let config = Config::overlay([&Config::preset(*preset)]).unwrap();
        assert_ne!(config, Config::default());
        assert_eq!(Config::overlay([&config.to_table()]).unwrap(), config);
    }
    let author = Config::overlay([&Config::preset(Preset::Author2026)]).unwrap();
    assert_eq!(author.rule.decay_ticks, DecayTicks::Ticks(0.4 / 0.0075));
    assert_eq!(author.network.init_scheme, Some(InitScheme::Normal(0.02)));
}

#[test]
fn a_later_threshold_replaces_an_earlier_one() {
    let file: toml::Table = "theta-quantile = 0.9".parse().unwrap();
    let flags: toml::Table = "theta-sliding = '1.5:4'".parse().unwrap();
    assert_eq!(Config::overlay([&file]).unwrap().threshold(), Theta::Quantile(0.9));
    let sliding = Sliding { lambda: 1.5, tau: 4.0 };
    assert_eq!(Config::overlay([&file, &flags]).unwrap().threshold(), Theta::Sliding(sliding));
}

#[test]
fn nonsense_is_refused_by_name() {
    for (text, expected) in [
        ("alpha0 = 0.0", "--alpha0"),
        ("epochs = 0", "--epochs"),
        ("batch-size = 0", "--batch-size"),
        ("hidden = [3, 0]", "--hidden"),
        ("momentum = 1.0", "--momentum"),
        ("coast = true", "--momentum"),
        ("decay-base = 1.0", "--decay-base"),
        ("decay-base = 1e20", "--decay-base"),
        ("alpha0 = 1e-60", "--alpha0"),
        ("trace = 'trace.safetensors'", "--rule replay"),
        ("replay = 'layer'", "--rule replay"),
        ("fresh-alpha = true", "--init"),
        // 1 in f32, by which the kernels would divide.
        ("dropout = 0.99999999999", "--dropout"),
        ("schedule = 'cyclical'\nschedule-ticks = 3\nschedule-low = 1e-60", "--schedule-low"),
        ("scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.1\nmax-norm = 2.0", "--max-norm"),
        ("rule = 'bcm'\nhidden = [3]\ntheta-sliding = '1:10'\ntheta-quantile = 0.5", "--theta-quantile"),
        ("rule = 'hebb'\nhidden = [3]\nval-fraction = 0.2\nearly-stopping = 2", "--early-stopping"),
        ("decay-ticks = -2.0", "--decay-ticks"),
        ("decay-ticks = 'never'", "decay-ticks"),
        ("test-fraction = 1.0", "--test-fraction"),
        // No record could keep them, and none of these matters to ψ.
        ("rule = 'constant'\ntheta = nan", "--theta nan"),
        ("theta = 0.1\nrprop-eta-plus = inf", "--rprop-eta-plus"),
        ("output = 'linear'", "--loss mse"),
        ("theta = -1.0", "--theta"),
        ("theta-quantile = 1.5", "--theta-quantile"),
        ("theta-sliding = '0:3'", "λ"),
        ("theta = 0.5\ntheta-quantile = 0.5", "one of --theta"),
        ("basis = 'coactivation'", "--scope weight"),
        ("arm = true", "--basis delta"),
        ("clock = 'steps:0'", "steps:K"),
        ("init-scheme = 'xavier'", "glorot"),
        ("nonsense = 1", "nonsense"),
        ("basis = 'acts'", "act"),
    ] {
        let message = with(text).expect_err(text).to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
