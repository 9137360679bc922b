//! Scripts that have a cluster train a plan: a Slurm job array or a Kubernetes Indexed Job, one task per shard. Queues,
//! retries and limits are the cluster's; a task that is started again skips the runs that are finished.

use crate::error::{Result, TRY_AGAIN};
use crate::files::to_json;

/// What both kinds of script need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The plan as the tasks find it.
    pub plan: String,
    /// Name of the job, for people.
    pub name: String,
    /// Tasks, and with it shards.
    pub tasks: u32,
    /// The program as the tasks find it.
    pub program: String,
    /// Further arguments of `homeostat sweep run`.
    pub arguments: Vec<String>,
    /// Processor cores of a task.
    pub cpus: Option<u32>,
    /// GPUs of a task.
    pub gpus: Option<u32>,
}

/// What only Slurm needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slurm {
    /// Time limit of a task, as `sbatch --time` takes it.
    pub time: Option<String>,
    /// Partition.
    pub partition: Option<String>,
}

/// What only Kubernetes needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Image with the program in it.
    pub image: String,
    /// Name of the volume claim that holds the plan and takes the results.
    pub claim: String,
}

/// Where the claim is mounted, which is where a task runs.
const MOUNT: &str = "/sweep";

impl Job {
    fn command(&self) -> Vec<String> {
        let shards = self.tasks.to_string();
        let fixed = [&self.program, "sweep", "run", &self.plan, "--shard", "auto", "--shards", &shards];
        fixed.into_iter().map(str::to_owned).chain(self.arguments.iter().cloned()).collect()
    }

    /// The script for `sbatch`.
    #[must_use]
    pub fn slurm(&self, slurm: &Slurm) -> String {
        let name = job_name(&self.name);
        let mut text = "#!/bin/bash\n".to_owned();
        let mut option = |option: String| text += &format!("#SBATCH {option}\n");
        option(format!("--job-name={name}"));
        option(format!("--array=0-{}", self.tasks - 1));
        option("--ntasks=1".into());
        option("--requeue".into());
        option("--open-mode=append".into());
        option(format!("--output={name}-%a.log"));
        for (flag, value) in [("time", &slurm.time), ("partition", &slurm.partition)] {
            value.iter().for_each(|value| option(format!("--{flag}={value}")));
        }
        for (flag, value) in [("cpus-per-task", self.cpus), ("gpus-per-task", self.gpus)] {
            value.iter().for_each(|value| option(format!("--{flag}={value}")));
        }
        let command = self.command().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        text + &format!(
            "\n# Finished runs are skipped, so a task may be requeued or submitted again, alone too: sbatch --array=3 …\n\
             code=0\n\
             srun {command} || code=$?\n\
             # The device failed on the way: another node, or another try, may mend that.\n\
             if [ $code = {TRY_AGAIN} ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt 3 ]; then\n    \
             scontrol requeue \"$SLURM_JOB_ID\"\n\
             fi\n\
             exit $code\n"
        )
    }

    /// The manifest for `kubectl apply -f`.
    ///
    /// # Errors
    /// Never.
    pub fn kubernetes(&self, kubernetes: &Kubernetes) -> Result<String> {
        // JSON's strings and lists are YAML's too.
        let (name, tasks) = (to_json(&job_name(&self.name))?, self.tasks);
        let (image, claim) = (to_json(&kubernetes.image)?, to_json(&kubernetes.claim)?);
        // It would replace $(NAME), and makes one $ of two.
        let command: Vec<String> = self.command().iter().map(|word| word.replace('$', "$$")).collect();
        let command = to_json(&command)?;
        let mut limits = String::new();
        if let Some(cpus) = self.cpus {
            limits += &format!("              cpu: \"{cpus}\"\n");
        }
        if let Some(gpus) = self.gpus {
            limits += &format!("              nvidia.com/gpu: \"{gpus}\"\n");
        }
        let resources = match limits.is_empty() {
            true => String::new(),
            false => format!("          resources:\n            limits:\n{limits}"),
        };
        Ok(format!(
            "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {tasks}
  parallelism: {tasks}
  backoffLimitPerIndex: 3
  podFailurePolicy:
    rules:
      # Bad settings and damaged files do not mend by trying again.
      - action: FailIndex
        onExitCodes:
          operator: In
          values: [2, 3]
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: homeostat
          image: {image}
          command: {command}
          workingDir: {MOUNT}
{resources}          volumeMounts:
            - name: sweep
              mountPath: {MOUNT}
      volumes:
        - name: sweep
          persistentVolumeClaim:
            claimName: {claim}
"
        ))
    }
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A name that both Slurm and Kubernetes take: lower-case letters, digits and single `-`, beginning with a letter.
fn job_name(name: &str) -> String {
    let mut safe = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !safe.is_empty()) {
            safe.push(c);
        } else if !safe.is_empty() && !safe.ends_with('-') {
            safe.push('-');
        }
    }
    safe.truncate(50);
    let safe = safe.trim_end_matches('-');
    if safe.is_empty() { "sweep".to_owned() } else { safe.to_owned() }
}
