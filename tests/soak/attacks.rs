//! Attacks: folders and files that a stranger prepared, and limits that a machine sets. The program must answer each within
//! a time and a memory, with an exit code of its own, and touch nothing outside the attacked folder.

mod bombs;
mod mirrors;
mod names;
mod traps;

use super::Soak;
use super::faults::wait_for;
use crate::isolated::{isolated, program};
use crate::program::Folder;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time for one attack. A debug build on a busy machine needs seconds.
const TIME: Duration = Duration::from_secs(60);

/// Address space in kB for one process, where the attack sets no other limit.
const MEMORY: &str = "ulimit -v 4194304";

/// Refusals: settings, files, device or memory. An attack may also be harmless.
const ANSWERS: &[i32] = &[0, 2, 3, 4];
/// The same, for an attack that must not succeed.
const REFUSED: &[i32] = &[2, 3, 4];

/// Where an attack takes place.
pub struct Site<'a> {
    /// The folder that the stranger prepared, in which the program is started.
    pub work: PathBuf,
    /// A folder beside it, of which nothing may change.
    pub precious: PathBuf,
    /// Valid files to start from.
    pub material: &'a Material,
    /// How often a bomb is larger than in the short round.
    pub times: usize,
}

impl Site<'_> {
    /// Writes a file, with the folders of its name.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.work.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, content).expect("a file");
    }

    /// Copies a part of the material.
    pub fn copy(&self, name: &str, to: &str) {
        copy(&self.material.0.path(name), &self.work.join(to));
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
}

/// An attack.
pub struct Attack {
    pub name: String,
    /// Puts the files into place.
    pub prepare: Box<dyn Fn(&Site)>,
    /// The arguments of the program, which starts in the folder of the attack.
    pub command: Vec<OsString>,
    /// The exit codes that are right.
    pub codes: &'static [i32],
    /// Limits as shell commands, such as `ulimit -n 16`.
    pub limits: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
    /// Whether the attack takes too long for the short round.
    pub is_slow: bool,
}

impl Attack {
    /// The attack of `command`, words with blanks between.
    pub fn new(name: impl Into<String>, command: &str, prepare: impl Fn(&Site) + 'static) -> Self {
        let command = command.split(' ').map(OsString::from).collect();
        let prepare = Box::new(prepare);
        Self { name: name.into(), prepare, command, codes: ANSWERS, limits: MEMORY, environment: &[], is_slow: false }
    }

    /// The same attack, which must not succeed.
    pub fn refused(self) -> Self {
        Self { codes: REFUSED, ..self }
    }

    pub fn limited(self, limits: &'static str) -> Self {
        Self { limits, ..self }
    }

    pub fn with(self, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self { environment, ..self }
    }

    /// The same attack, in the soak alone.
    pub fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// Carries the attack out. Returns the exit code, or what went wrong.
    pub fn run(&self, material: &Material, times: usize) -> Result<i32, String> {
        let folder = Folder::new();
        let (work, precious) = (folder.path("work"), folder.path("precious"));
        copy(&material.0.path("precious"), &precious);
        std::fs::create_dir(&work).expect("a folder");
        (self.prepare)(&Site { work: work.clone(), precious: precious.clone(), material, times });
        let before = contents(&precious);
        let outcome = self.answer(&folder, &work);
        let beside = std::fs::read_dir(folder.0.path()).expect("a folder").count();
        if contents(&precious) != before || beside != 4 {
            return Err(format!("{} files outside the folder changed", self.name));
        }
        outcome.map_err(|reason| format!("{}: {reason}", self.name))
    }

    /// Runs the program in `work`, and checks how it ends.
    fn answer(&self, folder: &Folder, work: &Path) -> Result<i32, String> {
        // Without a limit of the address space, other systems than Linux refuse the whole command.
        let limits = if cfg!(target_os = "linux") { self.limits } else { "true" };
        let mut command = isolated("sh");
        command.args(["-c", &format!("{limits}; exec \"$@\""), "sh"]).arg(program().get_program()).args(&self.command);
        // Each thread takes address space, so that their number must not depend on the machine.
        command.env("RAYON_NUM_THREADS", "2").envs(self.environment.iter().copied());
        let (said, told) = (folder.path("stdout"), folder.path("stderr"));
        command.stdout(File::create(&said).expect("a file")).stderr(File::create(&told).expect("a file"));
        let mut child = command.current_dir(work).stdin(Stdio::null()).spawn().expect("the program starts");
        let Some(status) = wait_for(&mut child, TIME) else {
            child.kill().and_then(|()| child.wait()).expect("kill");
            return Err(format!("does not end within {TIME:?}"));
        };
        let read = |path: &Path| String::from_utf8(std::fs::read(path).expect("a file"));
        let (Ok(said), Ok(told)) = (read(&said), read(&told)) else { return Err("prints what is not UTF-8".into()) };
        let code = status.code().filter(|code| self.codes.contains(code));
        let code = code.ok_or_else(|| format!("ends with {status}: {}", start(&told)))?;
        if told.contains("panicked") {
            return Err(format!("panics: {}", start(&told)));
        }
        if let Some(line) = said.lines().chain(told.lines()).find(|line| is_forged(line)) {
            return Err(format!("prints a line of the stranger: {line:?}"));
        }
        if code != 0 && !told.lines().any(|line| line.starts_with("error: ")) {
            return Err(format!("ends with {code} and without an error: {}", start(&told)));
        }
        Ok(code)
    }
}

/// Whether a line begins with words of the stranger, who writes `forged`, or steers the terminal.
fn is_forged(line: &str) -> bool {
    let own = ["error: ", "note: ", "warning: "].into_iter().find_map(|start| line.strip_prefix(start));
    let steers =
        |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    own.unwrap_or(line).starts_with("forged") || line.contains(steers)
}

/// The start of a text, for messages.
fn start(text: &str) -> String {
    text.chars().take(500).collect()
}

/// The files of a folder, with their bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default())).collect()
}

/// Valid files that attacks start from: runs, a sweep and its results, and what is precious.
pub struct Material(Folder);

impl Material {
    pub fn new() -> Self {
        let folder = Folder::new();
        for (name, content) in [("file", "precious\n"), ("metrics.jsonl", ""), ("package.json", "{}\n")] {
            folder.write(&format!("precious/{name}"), content);
        }
        folder.stopped_run("stopped");
        copy(&folder.path("stopped"), &folder.path("finished"));
        crate::program::succeed(&["train", "--resume", &folder.name("finished"), "--quiet"]);
        let (plan, results) = (folder.name("s.jsonl"), folder.name("s"));
        let sweep = "seeds = 1\n[base]\ndata = \"iris\"\nhidden = [2]\nepochs = 1\ndevice = \"cpu\"\n\
                     [[arm]]\nname = \"psi\"\n[[arm]]\nname = \"again\"\ntrace-of = \"psi\"\nreplay = \"shuffle\"\n";
        crate::program::succeed(&["sweep", "plan", &folder.write("s.toml", sweep), "-o", &plan]);
        crate::program::succeed(&["sweep", "run", &plan, "--results", &results, "--keep-models"]);
        Self(folder)
    }

    /// The name of the first record of the sweep.
    fn record(&self) -> String {
        let mut names =
            std::fs::read_dir(self.0.path("s/runs")).expect("results").map(|e| e.expect("a record").file_name());
        names.next().and_then(|name| name.into_string().ok()).expect("a record")
    }
}

/// Every attack.
fn all(material: &Material) -> Vec<Attack> {
    let mut all = traps::attacks(&material.record());
    all.extend(names::attacks());
    all.extend(bombs::attacks());
    all.extend(mirrors::attacks());
    all
}

/// Carries each attack out once, except the slow ones. Returns what went wrong.
pub fn round() -> Vec<String> {
    let material = Material::new();
    let attacks = all(&material);
    let mut wrong = vec![];
    for attack in attacks.iter().filter(|attack| !attack.is_slow) {
        let started = Instant::now();
        match attack.run(&material, 1) {
            Err(reason) => wrong.push(reason),
            outcome => println!("{} {outcome:?} {:.1?}", attack.name, started.elapsed()),
        }
    }
    wrong
}

/// The attacks of a soak.
pub struct Attacks(Material, Vec<Attack>);

impl Attacks {
    pub fn new() -> Self {
        let material = Material::new();
        let attacks = all(&material);
        Self(material, attacks)
    }

    /// Carries out one of the attacks. Bombs are up to 64 times as large as in the short round.
    pub fn attack_one(&self, soak: &mut Soak) {
        let attack = &self.1[soak.choose(self.1.len())];
        let times = 1 << soak.choose(7);
        soak.tally.processes += 1;
        let outcome = attack.run(&self.0, times);
        soak.note(&serde_json::json!({ "attack": attack.name, "times": times, "outcome": format!("{outcome:?}") }));
        match outcome {
            Ok(code) => {
                let kind = attack.name.split(':').next().unwrap_or_default();
                soak.tally.fault(&format!("attack: {kind}"), &format!("exit code {code}, nothing else touched"));
            }
            Err(reason) => soak.wrong(reason),
        }
    }
}
