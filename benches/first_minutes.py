#!/usr/bin/env python3
"""Records the first commands of README in a terminal of 80 x 24, each with its screen and its seconds, as Markdown.

    benches/first_minutes.py CLONE COMMAND... > PAGE.md

CLONE is a fresh clone, in which every COMMAND runs in turn; programs that it installs go to CLONE/installed/bin. `RUN`
in a command stands for the newest folder in CLONE/runs. Needs tmux and Python 3."""

import os
import subprocess
import sys
import time

MARK = "exit:"


def tmux(*words):
    return subprocess.run(["tmux", "-L", "first-minutes", *words], check=True, capture_output=True, text=True).stdout


def screen():
    """All lines of the terminal, those that have scrolled away included; lines that it wrapped are joined."""
    return tmux("capture-pane", "-p", "-J", "-S", "-").rstrip("\n").split("\n")


def newest(clone):
    runs = os.path.join(clone, "runs")
    return "runs/" + max(os.listdir(runs), key=lambda name: os.path.getmtime(os.path.join(runs, name)))


def record(clone, command):
    """Runs `command` in a terminal of its own. Returns its lines, exit code and seconds."""
    path = os.path.join(clone, "installed", "bin")
    shell = f'export PATH={path}:$PATH CARGO_INSTALL_ROOT={clone}/installed; clear; {command}; echo "{MARK}$?"; sleep 1000'
    tmux("new-session", "-d", "-x", "80", "-y", "24", "-c", clone, "bash", "-c", shell)
    tmux("set-option", "-g", "history-limit", "100000")
    began = time.monotonic()
    while not any(line.startswith(MARK) for line in screen()):
        time.sleep(0.2)
    seconds = time.monotonic() - began
    lines = screen()
    end = next(i for i, line in enumerate(lines) if line.startswith(MARK))
    tmux("kill-server")
    time.sleep(0.5)
    return [line.rstrip() for line in lines[:end]], lines[end].removeprefix(MARK), seconds


def main():
    clone = os.path.abspath(sys.argv[1])
    for command in sys.argv[2:]:
        typed = command.replace("RUN", newest(clone)) if "RUN" in command else command
        lines, code, seconds = record(clone, typed)
        wide = max(map(len, lines), default=0)
        cut = lines if len(lines) <= 45 else lines[:12] + ["…"] + lines[-12:]
        told = "" if code == "0" else f", exit code {code}"
        print(f"### `{typed}`\n\n{seconds:.1f} s, {len(lines)} lines of at most {wide} characters{told}.\n")
        print("```text\n" + "\n".join(cut) + "\n```\n", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
