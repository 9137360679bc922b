//! Scripts that train a plan on a cluster, one task per shard: a Slurm job array or a Kubernetes Indexed Job.
//!
//! Queues, retries and limits are left to the cluster. A restarted task skips the runs that are finished.

use crate::error::{Error, Result, TRY_AGAIN};
use crate::text::{SBATCH, quoted, sbatch, shell, yaml};

/// The settings of both kinds of script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Path of the plan in a task.
    pub plan: String,
    /// Name of the job, for people.
    pub name: String,
    /// Number of tasks, which is also the number of shards.
    pub tasks: u32,
    /// Path of the program in a task.
    pub program: String,
    /// Further arguments of `homeostat sweep run`.
    pub arguments: Vec<String>,
    /// Processor cores per task.
    pub cpus: Option<u32>,
    /// GPUs per task.
    pub gpus: Option<u32>,
}

/// The settings that only Slurm uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slurm {
    /// Time limit of a task, in the format of `sbatch --time`.
    pub time: Option<String>,
    /// Name of the partition.
    pub partition: Option<String>,
}

/// The settings that only Kubernetes uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Container image that contains the program.
    pub image: String,
    /// Name of the persistent volume claim that holds the plan and receives the results.
    pub claim: String,
}

/// Mount point of the claim and working directory of a task.
const MOUNT: &str = "/sweep";

impl Job {
    fn command(&self) -> Vec<String> {
        let shards = self.tasks.to_string();
        // The program would read an option.
        let plan = if self.plan.starts_with('-') { format!("./{}", self.plan) } else { self.plan.clone() };
        let fixed = [&self.program, "sweep", "run", &plan, "--shard", "auto", "--shards", &shards];
        fixed.into_iter().map(str::to_owned).chain(self.arguments.iter().cloned()).collect()
    }

    /// The script for `sbatch`.
    ///
    /// # Errors
    /// If a value is not plain enough for a line of `sbatch`, or a word has characters that a script should not hide.
    pub fn slurm(&self, slurm: &Slurm) -> Result<String> {
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
            let Some(value) = value else { continue };
            let plain = sbatch(value).ok_or_else(|| {
                Error::config(format!("`{flag} = {value}`: goes into a line of sbatch; give {SBATCH}"))
            })?;
            option(format!("--{flag}={plain}"));
        }
        for (flag, value) in [("cpus-per-task", self.cpus), ("gpus-per-task", self.gpus)] {
            value.iter().for_each(|value| option(format!("--{flag}={value}")));
        }
        if self.program.starts_with('-') {
            return Err(Error::config(format!(
                "`program = {}`: srun would read an option; begin with ./",
                self.program
            )));
        }
        let hidden = |word: &str| {
            Error::config(format!(
                "{}: a script needs words without hidden characters; correct `program` or `device`, or rename the plan",
                quoted(word)
            ))
        };
        let words =
            self.command().iter().map(|word| shell(word).ok_or_else(|| hidden(word))).collect::<Result<Vec<_>>>()?;
        let command = words.join(" ");
        text += &format!(
            "\n# Finished runs are skipped, so a task may be requeued or submitted again, alone too: sbatch --array=3 …\n\
             code=0\n\
             srun {command} || code=$?\n\
             # The device failed on the way: another node, or another try, may mend that.\n\
             if [ $code = {TRY_AGAIN} ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt 3 ]; then\n    \
             scontrol requeue \"$SLURM_JOB_ID\"\n\
             fi\n\
             exit $code\n"
        );
        Ok(text)
    }

    /// The manifest for `kubectl apply -f`.
    #[must_use]
    pub fn kubernetes(&self, kubernetes: &Kubernetes) -> String {
        let (name, tasks) = (yaml(&job_name(&self.name)), self.tasks);
        let (image, claim) = (yaml(&kubernetes.image), yaml(&kubernetes.claim));
        // Kubernetes would expand `$(NAME)`; it turns `$$` into `$`, so every `$` is doubled.
        let command: Vec<String> = self.command().iter().map(|word| yaml(&word.replace('$', "$$"))).collect();
        let command = command.join(", ");
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
        format!(
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
          command: [{command}]
          workingDir: {MOUNT}
{resources}          volumeMounts:
            - name: sweep
              mountPath: {MOUNT}
      volumes:
        - name: sweep
          persistentVolumeClaim:
            claimName: {claim}
"
        )
    }
}

/// Turns `name` into a name that both Slurm and Kubernetes accept: lower-case letters, digits and single `-`, beginning
/// with a letter, at most 50 characters.
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
