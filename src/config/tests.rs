//! Tests of the layers of settings and of the checks.

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

/// A share is spelled alike in every place, and keeps its digits.
#[test]
fn a_length_is_a_number_a_share_or_a_word() {
    for (text, ticks) in [
        ("8", DecayTicks::Ticks(8.0)),
        ("50%", DecayTicks::Share { percent: 50.0 }),
        ("66.7%", DecayTicks::Share { percent: 66.7 }),
        ("100%", DecayTicks::Share { percent: 100.0 }),
        ("to-end", DecayTicks::ToEnd),
    ] {
        assert_eq!(text.parse(), Ok(ticks));
        assert_eq!(ticks.to_string(), text);
        let config = Config::default().decay_ticks(ticks).schedule_ticks(ticks);
        config.check().unwrap();
        assert_eq!(Config::overlay([&config.to_table()]).unwrap(), config);
        assert_eq!(Config::from_json(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }
    assert_eq!("50 %".parse(), Ok(DecayTicks::Share { percent: 50.0 }));
    assert_eq!(with("decay-ticks = '7%'").unwrap().to_table()["decay-ticks"].as_str(), Some("7%"));
}

/// The ticks of a run of 15: half of them, and 7 % of 100 without a rounding error.
#[test]
fn a_share_is_of_the_ticks_of_the_run() {
    let share = |percent: f64, ticks: u32| DecayTicks::Share { percent }.length(ticks);
    assert_eq!([share(50.0, 15), share(100.0, 3), share(7.0, 100)], [Some(7.5), Some(3.0), Some(7.0)]);
    assert_eq!([DecayTicks::Ticks(2.5).length(9), DecayTicks::ToEnd.length(9)], [Some(2.5), None]);
}

/// A run whose α depends on the number of its ticks cannot be prolonged.
#[test]
fn what_depends_on_the_length_of_the_run_is_named() {
    for (settings, key) in [
        ("", Some("decay-ticks")),
        ("decay-ticks = '50%'", Some("decay-ticks")),
        ("decay-ticks = 'to-end'", Some("decay-ticks")),
        ("decay-ticks = 5", None),
        ("decay = 'step'", None),
        ("decay = 'hyperbolic'", None),
        ("rule = 'constant'", None),
        ("rule = 'constant'\nschedule = 'linear'", Some("schedule-ticks")),
        ("rule = 'constant'\nschedule = 'linear'\nschedule-ticks = 5", None),
        ("rule = 'constant'\nschedule = 'step'\nschedule-ticks = 5", None),
        ("rule = 'constant'\nschedule = 'step'\nschedule-ticks = '30%'", Some("schedule-ticks")),
        ("rule = 'constant'\nschedule = 'cyclical'\nschedule-ticks = '30%'", Some("schedule-ticks")),
        ("rule = 'constant'\nschedule = 'hyperbolic'\nschedule-ticks = '30%'", None),
    ] {
        assert_eq!(with(settings).unwrap().follows_the_end(), key, "{settings}");
    }
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
        ("alpha0 = 0.0", "`alpha0"),
        ("epochs = 0", "`epochs"),
        ("batch-size = 0", "`batch-size"),
        ("hidden = [3, 0]", "`hidden"),
        (&format!("hidden = [{}1]", "1, ".repeat(1024)), "1025 layers; a network has at most 1024 hidden layers"),
        ("momentum = 1.0", "`momentum"),
        ("coast = true", "`momentum"),
        ("decay-base = 1.0", "`decay-base"),
        ("decay-base = 1e20", "`decay-base"),
        ("alpha0 = 1e-60", "`alpha0"),
        ("trace = 'trace.safetensors'", "`rule = replay`"),
        ("replay = 'layer'", "`rule = replay`"),
        ("fresh-alpha = true", "`init`"),
        // The value is 1 in f32, so kernels would divide by 0.
        ("dropout = 0.99999999999", "`dropout"),
        ("schedule = 'cyclical'\nschedule-ticks = 3\nschedule-low = 1e-60", "`schedule-low"),
        ("scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.1\nmax-norm = 2.0", "`max-norm"),
        ("rule = 'bcm'\nhidden = [3]\ntheta-sliding = '1:10'\ntheta-quantile = 0.5", "`theta-quantile"),
        ("rule = 'neq'\nscope = 'weight'", "`scope = weight`: `rule = neq` freezes whole neurons"),
        ("rule = 'neq'\nclock = 'steps:5'", "`clock = steps:5`: `rule = neq` compares the ends of epochs"),
        ("rule = 'neq'\nmomentum = 0.5", "`rule = neq` has no momentum"),
        ("rule = 'neq'\nneq-epsilon = -1.0", "`neq-epsilon"),
        ("rule = 'neq'\nneq-mu = 1.0", "`neq-mu"),
        ("rule = 'hebb'\nhidden = [3]\nval-fraction = 0.2\nearly-stopping = 2", "`early-stopping"),
        ("decay-ticks = -2.0", "`decay-ticks"),
        ("decay-ticks = 'never'", "decay-ticks"),
        ("decay-ticks = '0%'", "`decay-ticks = 0%`: must be above 0%"),
        ("decay-ticks = '-5%'", "`decay-ticks = -5%`"),
        ("decay-ticks = '150%'", "at most 100% of the run"),
        ("rule = 'constant'\nschedule-ticks = '100.5%'", "`schedule-ticks = 100.5%`"),
        // N is 0 in f32, which means to-end in kernels.
        ("decay-ticks = '1e-50%'", "`decay-ticks"),
        ("decay-ticks = 'x%'", "decay-ticks: the share of the run must be a number"),
        ("decay-ticks = '%'", "50%"),
        ("decay-ticks = 'nan%'", "50%"),
        ("decay-ticks = '50%%'", "50%"),
        ("decay-ticks = true", "50%"),
        ("test-fraction = 1.0", "`test-fraction"),
        // No record can store these values, so they are refused although the rule ignores the settings.
        ("rule = 'constant'\ntheta = nan", "`theta = nan`"),
        ("theta = 0.1\nrprop-eta-plus = inf", "`rprop-eta-plus"),
        ("output = 'linear'", "`loss = mse`"),
        ("theta = -1.0", "`theta"),
        ("theta-quantile = 1.5", "`theta-quantile"),
        ("theta-sliding = '0:3'", "λ"),
        ("theta = 0.5\ntheta-quantile = 0.5", "one of `theta`"),
        ("basis = 'coactivation'\ntheta = 0.1", "`scope = weight`"),
        ("arm = true", "`basis = delta`"),
        ("clock = 'steps:0'", "steps:K"),
        ("init-scheme = 'xavier'", "glorot"),
        ("nonsense = 1", "nonsense"),
        ("basis = 'acts'", "act"),
        ("lr = 0.1\nalpha0 = 0.2", "alpha0"),
        ("lr = 0.1\nlearning-rate = 0.2", "alpha0"),
        ("lr = 'fast'", "alpha0"),
    ] {
        let message = with(text).expect_err(text).to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn a_setting_has_the_names_that_other_programs_give_it() {
    let config = with("lr = 0.1\noptimizer = 'constant'").unwrap();
    assert_eq!((config.rule.alpha0, config.rule.kind), (0.1, Rule::Constant));
    let record = config.to_table();
    assert!(!record.contains_key("lr") && !record.contains_key("optimizer"));
    let layers = ["alpha0 = 0.1", "learning-rate = 0.2"].map(|text| text.parse::<toml::Table>().unwrap());
    assert_eq!(Config::overlay(&layers).unwrap().rule.alpha0, 0.2);
}

#[test]
fn a_single_hidden_layer_needs_no_list() {
    assert_eq!(with("hidden = 5").unwrap(), with("hidden = [5]").unwrap());
    assert_eq!(with("hidden = []").unwrap().network.hidden, Hidden(vec![]));
    assert!(with("hidden = 'wide'").is_err());
}

#[test]
fn every_setting_has_a_setter_a_place_in_the_record_and_a_unique_name() {
    let config = Config::default().test_fraction(0.2).hidden([4]).init("model".parse::<std::path::PathBuf>().ok());
    assert_eq!(config.data.test_fraction, Some(0.2));
    let mut names = std::collections::HashSet::new();
    for setting in SETTINGS {
        assert!(!setting.help.is_empty() && !setting.help.contains("  "), "{}", setting.key);
        assert!(names.insert(setting.key) && setting.aliases.iter().all(|name| names.insert(name)), "{}", setting.key);
    }
    assert!(config.to_table().keys().all(|key| names.contains(key.as_str())));
}

#[test]
fn what_members_may_differ_in_has_a_common_value() {
    let (one, other) = (Config::default(), Config::default().alpha0(0.1).dropout(0.3).max_norm(2.0));
    let other_amounts = other.clone().dropout(0.7).max_norm(9.0).seed(4).theta(None).theta_quantile(0.3);
    assert_eq!(one.shared(), one.clone().seed(9).decay_power(2.0).shared());
    assert_eq!(other.shared(), other_amounts.shared());
    // Kernels are compiled with or without dropout.
    assert_ne!(one.shared(), other.shared());
    assert_ne!(one.shared(), one.batch_size(9).shared());
}

#[test]
fn the_memory_of_a_cache_is_a_word_or_bytes() {
    let read = |text: &str| text.parse::<ActivationCache>();
    for (text, cache) in [
        ("auto", ActivationCache::Auto),
        ("off", ActivationCache::Off),
        ("0", ActivationCache::Bytes(0)),
        ("1025", ActivationCache::Bytes(1025)),
        ("7K", ActivationCache::Bytes(7 << 10)),
        ("512M", ActivationCache::Bytes(512 << 20)),
        ("3G", ActivationCache::Bytes(3 << 30)),
        ("18446744073709551615", ActivationCache::Bytes(u64::MAX)),
    ] {
        assert_eq!(read(text).as_ref(), Ok(&cache), "{text}");
        assert_eq!(cache.to_string(), text);
        assert_eq!(with(&format!("activation-cache = '{text}'")).unwrap().run.activation_cache, cache);
    }
    assert_eq!(read("1024K").unwrap().to_string(), "1M");
    for text in ["20000000000G", "17179869184G", "5X", "5KM", "M", "", "-1", "1.5G", "512m", "on"] {
        assert!(read(text).is_err(), "{text}");
    }
    // Records from before the setting, and of the default, have no line of it.
    assert!(!Config::default().to_table().contains_key("activation-cache"));
    assert!(Config::default().activation_cache(ActivationCache::Off).to_table().contains_key("activation-cache"));
}

#[test]
fn the_essence_forgets_what_changes_no_result() {
    let forgotten: Vec<&str> = SETTINGS.iter().filter(|setting| setting.leaves_results).map(|s| s.key).collect();
    assert_eq!(forgotten, ["no-skip-frozen", "activation-cache"]);
    let config = Config::default().hidden([4]).epochs(7).no_autotune(true).device("cpu");
    let other = config.clone().no_skip_frozen(true).activation_cache(ActivationCache::Bytes(5));
    assert_ne!(other, config);
    assert_eq!(other.essence(), config);
    assert_eq!(config.essence(), config);
}

/// With logistic units no |y| exceeds the default θ of net², so that ψ would never trigger, without a word.
#[test]
fn another_variable_needs_a_threshold_of_its_own() {
    let of = |layers: &[&str]| {
        let tables: Vec<toml::Table> = layers.iter().map(|layer| layer.parse().unwrap()).collect();
        Config::overlay(&tables).map(|config| config.threshold()).map_err(|e| e.to_string())
    };
    let message = of(&["basis = 'act'"]).unwrap_err();
    assert!(message.contains("`basis = act`") && message.contains("`theta-quantile`"), "{message}");
    assert_eq!(of(&["basis = 'act'", "theta = 0.1"]), Ok(Theta::Absolute(0.1)));
    assert_eq!(of(&["theta-quantile = 0.5", "basis = 'act'"]), Ok(Theta::Quantile(0.5)));
    assert_eq!(of(&["basis = 'net2'"]), of(&[""]));
    // The variable of a layer that names none is the default.
    assert_eq!(of(&["theta = 5.0", "basis = 'net2'"]), Ok(Theta::Absolute(5.0)));
    assert!(of(&["basis = 'act'\nrule = 'constant'"]).is_ok(), "the rule observes nothing");
}

/// The command line holds a tenth of a large training set out, where that has a use.
#[test]
fn a_large_set_is_held_out_where_that_has_a_use() {
    let held = |samples, settings: &str| {
        let mut config = Config::overlay([&settings.parse().unwrap()]).unwrap();
        let before = config.data.val_fraction;
        let holds = config.hold_out(samples);
        assert_eq!(config.data.val_fraction, if holds { 0.1 } else { before });
        holds
    };
    assert!(held(10_000, "") && held(60_000, "hidden = [9]"));
    for (samples, settings) in
        [(9_999, ""), (60_000, "fold = '1/5'"), (60_000, "val-data = 'v.csv'"), (60_000, "rule = 'hebb'\nhidden = [3]")]
    {
        assert!(!held(samples, settings), "{samples} {settings}");
    }
}
