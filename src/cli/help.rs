//! What `--help` says beside the options: the first screen, the options that matter first, examples and exit codes.

use anstyle::Style;
use clap::Command;
use std::fmt::Write;

/// As clap writes the headings of options.
const HEADING: Style = Style::new().bold().underline();

/// The commands of a first day.
const BEGIN: &[(&str, &str)] = &[
    ("train", "784-256-10 on MNIST, which is built in"),
    ("report RUN --open", "its curves in the browser; train names RUN"),
];

/// The commands in groups, as the first screen shows them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Train", &["train"]),
    ("Look at runs, and use models", &["report", "eval", "predict", "export", "plot"]),
    ("Compare rules over many runs", &["compare", "sweep"]),
    ("Data and machine", &["data", "devices", "doctor", "bench", "completions", "man"]),
];

/// The options of `train` that `-h` shows.
pub(super) const FIRST: &[&str] =
    &["data", "hidden", "rule", "alpha0", "theta", "epochs", "batch-size", "seed", "device", "out"];

/// Two commands that begin with a command each. They work from top to bottom in a folder that has `flowers.csv` with a label, and
/// `sweep.toml` with an arm `constant`.
pub(super) const EXAMPLES: &[(&str, [&str; 2])] = &[
    ("train", ["train", "train --data flowers.csv --hidden 16 --out runs/flowers"]),
    (
        "eval",
        ["eval runs/flowers/model.safetensors --per-class", "eval runs/flowers/model.safetensors --data flowers.csv"],
    ),
    (
        "predict",
        ["predict runs/flowers/model.safetensors", "predict runs/flowers/model.safetensors --data flowers.csv --csv"],
    ),
    (
        "export",
        [
            "export runs/flowers/model.safetensors --format onnx",
            "export runs/flowers/model.safetensors --format npz -o flowers.npz",
        ],
    ),
    ("plot", ["plot psi -o psi.svg", "plot bcm --theta 0.5,1 -o bcm.svg"]),
    ("plot psi", ["plot psi --trigger 4 --theta 0.3", "plot psi --decay-ticks 10 -o psi-10.svg"]),
    ("plot decays", ["plot decays --decay linear,log", "plot decays --decay-ticks 100 -o decays.svg"]),
    ("plot bcm", ["plot bcm", "plot bcm --theta 1 -o bcm-1.svg"]),
    ("plot outcomes", ["plot outcomes sweep -o outcomes.svg", "plot outcomes sweep --metric train_error --arms psi"]),
    ("plot pareto", ["plot pareto sweep -o pareto.svg", "plot pareto sweep --metric train_loss"]),
    ("sweep", ["sweep plan sweep.toml -o sweep.jsonl", "sweep run sweep.jsonl --keep-epochs"]),
    ("sweep plan", ["sweep plan sweep.toml --dry", "sweep plan sweep.toml --folds 5 -o folds.jsonl"]),
    ("sweep run", ["sweep run sweep.jsonl --device cpu", "sweep run sweep.jsonl --shard 0/4"]),
    ("sweep status", ["sweep status sweep.jsonl", "sweep status sweep.jsonl --json"]),
    ("sweep merge", ["sweep merge sweep.jsonl -o results.jsonl", "sweep merge sweep.jsonl --partial"]),
    (
        "sweep submit",
        ["sweep submit sweep.jsonl --slurm -o sweep.sbatch", "sweep submit sweep.jsonl --k8s --image homeostat:0.1"],
    ),
    ("compare", ["compare --rules psi,constant --data flowers.csv --hidden 16", "compare sweep --baseline constant"]),
    ("report", ["report runs/flowers --open", "report sweep -o sweep.html"]),
    ("data", ["data list", "data fetch fashion-mnist"]),
    ("data list", ["data list", "data list --json"]),
    ("data fetch", ["data fetch fashion-mnist", "data fetch fashion-mnist --data-dir sets"]),
    ("data verify", ["data verify fashion-mnist", "data verify fashion-mnist --data-dir sets"]),
    ("data path", ["data path fashion-mnist", "data path fashion-mnist --data-dir sets"]),
    ("devices", ["devices", "devices --json"]),
    ("doctor", ["doctor --quick", "doctor --quick --device cpu --json"]),
    ("bench", ["bench small", "bench 784,800,10:128 --device cpu"]),
    ("completions", ["completions bash", "completions fish"]),
    ("man", ["man man1", "man ~/.local/share/man/man1"]),
];

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  2    bad flags or settings
  3    a file is missing, damaged, in the way or cannot be written
  4    no such device, or what is asked does not fit it
  5    the run failed, for instance because the loss diverged, or a sweep is
       not complete
  6    the device failed on the way (lost, no answer, work not done): trying
       again may help
  130  interrupted by Ctrl-C, 143 by SIGTERM (a second signal ends the program
       at once)";

/// The command line with all that `--help` says.
pub fn dressed(program: Command) -> Command {
    let screen = format!("{}{{after-help}}", first_screen(&program));
    let program = program.help_template(screen).after_long_help(format!("\n{EXIT_CODES}"));
    program.mut_subcommands(|sub| {
        let name = sub.get_name().to_owned();
        let sub = sub.mut_subcommands(|inner| {
            let path = format!("{name} {}", inner.get_name());
            with_examples(inner, &path)
        });
        with_examples(if name == "train" { shortened(sub) } else { sub }, &name)
    })
}

/// A command whose `-h` shows the options that matter first.
fn shortened(train: Command) -> Command {
    let all = train.get_arguments().count();
    let train = train.mut_args(|argument| {
        let is_first = argument.get_long().is_some_and(|long| FIRST.contains(&long));
        argument.hide_short_help(!is_first)
    });
    train.after_help(format!("`homeostat train --help` has all {all} options."))
}

fn with_examples(command: Command, path: &str) -> Command {
    let mut text = String::new();
    for (_, examples) in EXAMPLES.iter().filter(|(of, _)| *of == path) {
        let _ = write!(text, "{HEADING}Examples:{HEADING:#}");
        for example in examples {
            let _ = write!(text, "\n  homeostat {example}");
        }
        text += "\n\n";
    }
    command.after_long_help(text + EXIT_CODES)
}

/// The commands in groups, and how to begin.
fn first_screen(program: &Command) -> String {
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut screen = format!("{}.\n\n{HEADING}Begin{HEADING:#}\n", about(program));
    for (command, says) in BEGIN {
        if program.find_subcommand(command.split(' ').next().unwrap_or_default()).is_some() {
            let _ = writeln!(screen, "  homeostat {command:<21}{says}");
        }
    }
    for (group, names) in GROUPS {
        let _ = writeln!(screen, "{HEADING}{group}{HEADING:#}");
        for command in names.iter().filter_map(|name| program.find_subcommand(name)) {
            let _ = writeln!(screen, "  {:<13}{}", command.get_name(), about(command));
        }
    }
    screen + "`homeostat COMMAND -h` lists the options that matter first, `--help` all."
}
