//! Flags of PyTorch scripts and scikit-learn that this program calls otherwise, and the hint that an unknown flag gets.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::ffi::OsString;

/// Names elsewhere, the flag here, and the difference where the meaning is not the same.
pub(super) struct Hint {
    pub elsewhere: &'static [&'static str],
    pub here: &'static str,
    difference: &'static str,
}

const fn hint(elsewhere: &'static [&'static str], here: &'static str, difference: &'static str) -> Hint {
    Hint { elsewhere, here, difference }
}

/// The names elsewhere are spelled with hyphens and in lower case.
pub(super) const HINTS: &[Hint] = &[
    hint(&["alpha"], "weight-decay", "alpha is a penalty in scikit-learn; the learning rate is --alpha0"),
    hint(&["l2", "wd", "l2-penalty", "weight-penalty"], "weight-decay", ""),
    hint(
        &["learning-rate-init", "learningrate", "learn-rate", "base-lr", "initial-lr", "eta", "eta0", "max-lr"],
        "alpha0",
        "",
    ),
    hint(&["batch", "bs", "minibatch", "minibatch-size", "mini-batch-size", "train-batch-size"], "batch-size", ""),
    hint(&["epoch", "n-epochs", "num-epochs", "max-epochs", "num-train-epochs"], "epochs", ""),
    hint(&["max-iter", "n-iter", "iterations"], "epochs", "counts passes over the training samples, not steps"),
    hint(
        &["hidden-layer-sizes", "hidden-sizes", "hidden-size", "hidden-layers", "hidden-dim", "hidden-units", "units"],
        "hidden",
        "takes one width per layer, for example --hidden 800,800",
    ),
    hint(&["layers", "n-layers", "num-layers"], "hidden", "takes the widths, not how many: --hidden 800,800"),
    hint(&["activation-function", "nonlinearity"], "activation", ""),
    hint(&["criterion", "loss-fn", "loss-function"], "loss", ""),
    hint(&["solver", "optim", "opt"], "rule", "plain gradient descent is --rule constant, Adam is --rule adam"),
    hint(&["nesterovs-momentum"], "nesterov", ""),
    hint(&["beta1", "beta-1", "betas"], "adam-beta1", "the other is --adam-beta2"),
    hint(&["beta2", "beta-2"], "adam-beta2", ""),
    hint(&["eps", "epsilon", "adam-eps"], "adam-epsilon", ""),
    hint(&["scheduler", "lr-scheduler", "lr-schedule"], "schedule", ""),
    hint(&["gamma", "lr-gamma"], "schedule-gamma", "takes effect with --schedule step"),
    hint(
        &["warmup-steps", "warmup-epochs", "warmup-ratio"],
        "warmup",
        "keeps ψ from triggering; a rate that rises at the start is --schedule one-cycle",
    ),
    hint(
        &["dropout-rate", "dropout-p", "p-dropout"],
        "dropout",
        "leaves out hidden neurons; inputs have --dropout-input",
    ),
    hint(&["label-smoothing"], "label-noise", "replaces labels instead of smoothing them"),
    hint(
        &["clip", "grad-clip", "clip-grad", "clip-grad-norm", "max-grad-norm", "gradient-clip-val"],
        "max-norm",
        "bounds the weights into a neuron; gradients are not clipped",
    ),
    hint(
        &["patience", "early-stop", "early-stopping-patience", "n-iter-no-change", "tol"],
        "early-stopping",
        "counts epochs without a lower validation error, and needs --val-fraction",
    ),
    hint(&["validation-fraction", "validation-split", "val-split", "valid-fraction"], "val-fraction", ""),
    hint(&["test-split", "test-size"], "test-fraction", ""),
    hint(&["random-state", "random-seed", "manual-seed"], "seed", ""),
    hint(&["shuffle"], "no-shuffle", "turns off the shuffling that is on by default"),
    hint(&["gpu", "cuda", "use-cuda", "use-gpu", "gpus", "mps"], "device", "--device gpu takes any GPU"),
    hint(&["cpu", "no-cuda", "use-cpu", "no-gpu"], "device", "--device cpu takes the processor"),
    hint(&["gpu-id", "device-id", "cuda-device"], "device", "takes an index of `homeostat devices`"),
    hint(&["amp", "fp16", "half", "mixed-precision"], "precision", "--precision f16 needs a GPU that has it"),
    hint(
        &["tf32", "allow-tf32", "float32-matmul-precision"],
        "precision",
        "--precision f16x3 needs a GPU with cooperative matrices",
    ),
    hint(
        &["workers", "num-workers", "n-jobs", "threads", "num-threads"],
        "device",
        "data stay in memory and --device cpu takes every core; the variable RAYON_NUM_THREADS sets fewer",
    ),
    hint(&["dataset", "input", "train-data", "data-path"], "data", ""),
    hint(&["data-root", "root"], "data-dir", ""),
    hint(&["init-weights", "weights", "pretrained", "warm-start", "load"], "init", ""),
    hint(&["resume-from", "resume-from-checkpoint"], "resume", "takes the directory of a run"),
    hint(&["output-dir", "out-dir", "outdir", "save", "save-dir", "log-dir", "logdir", "model-dir"], "out", ""),
    hint(&["overwrite"], "force", ""),
    hint(&["silent", "no-progress"], "quiet", ""),
    hint(&["save-every", "save-interval", "checkpoint-interval"], "checkpoint-every", ""),
];

/// The error of clap for `arguments`, with a hint in the place of the most similar flag where an unknown flag is known
/// from elsewhere: clap would suggest --val-fraction for --validation, and for --bs nothing.
pub(super) fn with_hint(mut error: Error, program: &Command, arguments: &[OsString]) -> Error {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    if let Some(tip) = tip(called(program, arguments), unknown) {
        error.remove(ContextKind::SuggestedArg);
        // It shows the similar flag as if it had been typed.
        error.remove(ContextKind::Usage);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// The command that `arguments` call.
fn called<'a>(program: &'a Command, arguments: &[OsString]) -> &'a Command {
    let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    words
        .take_while(|word| !word.starts_with('-'))
        .fold(program, |command, word| command.find_subcommand(word).unwrap_or(command))
}

/// What to say about the `unknown` flag of `command`.
pub(super) fn tip(command: &Command, unknown: &str) -> Option<String> {
    let has = |flag: &str| {
        command.get_arguments().any(|argument| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            argument.get_long() == Some(flag) || aliases.contains(&flag)
        })
    };
    let name = unknown.strip_prefix("--")?.to_lowercase().replace('_', "-");
    if has(&name) {
        return Some(format!("it is spelled '--{name}'"));
    }
    let hint = HINTS.iter().find(|hint| hint.elsewhere.contains(&name.as_str()) && has(hint.here))?;
    Some(match hint.difference {
        "" => format!("it is called '--{}' here", hint.here),
        difference => format!("see '--{}': {difference}", hint.here),
    })
}
