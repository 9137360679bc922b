#!/usr/bin/env bash
# Trains a small sweep as a job array of a real Slurm on this machine and requeues one task midway. The merged records must
# equal those of a single process.
#
# Needs root on Debian or Ubuntu. Installs Slurm, configures it in a temporary directory, and stops every process it
# started. Not part of the ordinary tests.
#
#   tests/slurm.sh [PATH OF homeostat]
#
# Without a path the script builds the program.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-}
if [ -z "$program" ]; then
    cargo build --release --locked
    program=${CARGO_TARGET_DIR:-target}/release/homeostat
fi
program=$(realpath "$program")

if ! { command -v slurmctld && command -v slurmd && command -v srun; } >/dev/null; then
    # Keeps the packages from starting their services, because this script starts its own.
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap 'rm -f $policy' EXIT; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client >/dev/null
    [ "$(trap -p EXIT)" = "" ] || { rm -f $policy && trap - EXIT; }
fi

work=$(mktemp -d)
mkdir "$work/state" "$work/spool"
export SLURM_CONF=$work/slurm.conf
host=$(hostname -s)
cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
ReturnToService=2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
# A requeued job otherwise waits two minutes for its turn.
SchedulerParameters=requeue_delay=1
KillWait=5
MailProg=/bin/true
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

finish() {
    status=$?
    scancel --quiet --user=root 2>/dev/null || true
    sleep 1
    for daemon in slurmd slurmctld; do
        [ ! -e "$work/$daemon.pid" ] || kill "$(cat "$work/$daemon.pid")" 2>/dev/null || true
    done
    if [ $status -ne 0 ]; then
        tail -n 20 "$work"/*.log "$work"/*-*.log 2>/dev/null || true
        echo "FAILED; logs are in $work" >&2
    else
        rm -rf "$work"
    fi
}
trap finish EXIT

slurmctld
slurmd
for _ in $(seq 30); do
    [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && break
    sleep 1
done
sinfo
sinfo --version

cd "$work"
cat >plan.toml <<'TOML'
name = "iris"
seeds = 60
[base]
preset = "author-2026"
device = "cpu"
epochs = 2000
[[arm]]
name = "psi"
theta = [10.0, 20.0]
[[arm]]
name = "plain"
rule = "constant"
TOML
"$program" sweep plan plan.toml -o plan.jsonl
"$program" sweep submit plan.jsonl --slurm --tasks 6 --cpus 1 --time 10 --program "$program" -o job.sh
cat job.sh
job=$(sbatch --parsable job.sh)
echo "job $job"
# Requeues the first running task as soon as records exist.
for _ in $(seq 600); do
    [ -n "$(ls plan/runs 2>/dev/null)" ] && break
    sleep 0.1
done
task=$(squeue -h -j "$job" -t running -r -o %i | head -n 1)
echo "requeue $task with $(ls plan/runs | wc -l) of 180 records written"
scontrol requeue "$task"
squeue -r -j "$job"
for _ in $(seq 300); do
    [ -z "$(squeue -h -j "$job")" ] && break
    sleep 1
done
scontrol show job "$job" | grep -E 'ArrayTaskId|JobState|Restarts' | sed 's/^ *//'
scontrol show job "$job" | grep -q 'Restarts=1' || { echo "no task was restarted" >&2; exit 1; }
tail -n +1 iris-*.log
"$program" sweep status plan.jsonl
"$program" sweep merge plan.jsonl -o array.jsonl
"$program" sweep run plan.jsonl -o alone >alone.log 2>&1
"$program" sweep merge plan.jsonl --results alone -o alone.jsonl
cmp array.jsonl alone.jsonl
sha256sum array.jsonl alone.jsonl
echo "OK: the merged records of six tasks, one of them requeued, equal those of one process"
