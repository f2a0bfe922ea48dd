#!/usr/bin/env python3
"""Create or repair the project's virtual environment.  Standard library only.

Installs exactly the pins in environment.yml (the one list of versions), then the project itself in
editable mode.  Safe to interrupt and to repeat: a stamp is written only when everything is in
place, an unfinished environment is repaired, and one made from other pins is updated.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "environment.yml"
SUPPORTED = ((3, 11), (3, 12))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
STAMP = "madis-environment"


def read_pins(path: Path = ENVIRONMENT) -> list[str]:
    """The ``name==version`` lines of the pip section of environment.yml, in order."""
    section = re.split(r"^ *- pip: *$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if len(section) != 2:
        sys.exit(f"setup: {path}: expected one '- pip:' section")
    pins = re.findall(r"^ +- *([A-Za-z0-9._-]+==[^\s#]+)", section[1], flags=re.MULTILINE)
    if not pins:
        sys.exit(f"setup: {path}: the pip section lists no name==version pin")
    return pins


def has_gpu() -> bool:
    """True where ``nvidia-smi -L`` lists a GPU."""
    try:
        found = subprocess.run(
            ["nvidia-smi", "-L"], check=False, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and "GPU" in found.stdout


def say(*words: object) -> None:
    print("setup:", *words, flush=True)


def run(command: list[object], **kwargs) -> None:
    """Run a command, showing it; end with its exit code when it fails."""
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    code = subprocess.run(words, check=False, cwd=ROOT, **kwargs).returncode
    if code:
        sys.exit(f"setup: the command above failed (exit code {code}); fix its cause and run again")


@contextmanager
def one_at_a_time():
    """Let one set-up run at a time; yields the lock's descriptor.

    The commands it starts inherit it, so that after a killed set-up the next one waits for a command
    that is still running instead of working against it.
    """
    with ENVIRONMENT.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running; waiting for it to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def signature(venv: Path, build: str) -> str:
    """What a finished environment was made from: pins, project metadata, place, torch build."""
    digest = hashlib.sha256()
    for part in (ENVIRONMENT, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(part.read_bytes())
    digest.update(f"{venv}\n{ROOT}\n{build}".encode())
    return digest.hexdigest()


def usable(venv: Path) -> bool:
    """Is there a virtual environment, made at this place, with a supported Python and pip?"""
    config = venv / "pyvenv.cfg"
    python = venv / "bin" / "python"
    # Scripts in bin/ carry the path the environment was made at, so a moved one does not work.
    if not config.is_file() or not config.read_text(encoding="utf-8").rstrip().endswith(str(venv)):
        return False
    probe = f"import sys, pip; sys.exit(sys.version_info[:2] not in {SUPPORTED})"
    try:
        probed = subprocess.run([str(python), "-c", probe], check=False, capture_output=True)
    except OSError:
        return False
    return probed.returncode == 0


def create(venv: Path, lock: int) -> None:
    """Make the virtual environment with the running Python."""
    if venv.exists() and not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
        sys.exit(f"setup: {venv} is not a virtual environment; remove it or choose another --venv")
    say(f"creating {venv} with Python {sys.version.split()[0]}")
    words = [sys.executable, "-m", "venv", "--clear", str(venv)]
    print("+", " ".join(words), flush=True)
    made = subprocess.run(words, check=False, capture_output=True, text=True, pass_fds=[lock])
    if made.returncode:
        text = (made.stdout + made.stderr).strip()
        print(text, file=sys.stderr)
        if "ensurepip" in text or "No module named venv" in text:
            package = "python{}.{}-venv".format(*sys.version_info[:2])
            sys.exit(f"setup: this Python cannot make environments; apt-get install {package}")
        sys.exit(f"setup: could not create {venv}")


def forget_unfinished(venv: Path) -> None:
    """Make pip install again whatever an interrupted run left incomplete.

    pip believes a package is there once its metadata is; so the metadata of every package that
    lacks a recorded file, or has one of another size, is removed.
    """
    for site in venv.glob("lib/python3.*/site-packages"):
        for left_over in site.glob("~*"):  # a package pip was replacing when it was killed
            shutil.rmtree(left_over, ignore_errors=True)
        for info in site.glob("*.dist-info"):
            if not complete(info):
                say(f"{info.name[: -len('.dist-info')]} is incomplete; installing it again")
                shutil.rmtree(info)


def complete(info: Path) -> bool:
    """Does every file that this ``.dist-info`` folder records exist with its recorded size?"""
    record = info / "RECORD"
    if not (record.is_file() and (info / "INSTALLER").is_file() and (info / "METADATA").is_file()):
        return False
    with record.open(newline="", encoding="utf-8") as handle:
        for name, _, size in csv.reader(handle):
            path = info.parent / name
            if name.endswith(".pyc"):
                continue
            if not path.is_file() or (size and path.stat().st_size != int(size)):
                return False
    return True


def torch_build(venv: Path) -> str:
    """The installed torch version, such as ``2.13.0+cpu``; empty when there is none."""
    found = [*venv.glob("lib/python3.*/site-packages/torch-*.dist-info")]
    return found[0].name[len("torch-") : -len(".dist-info")] if found else ""


def install(venv: Path, build: str, lock: int) -> None:
    """Install the pins, the project, and the notebook kernel that uses this environment."""
    python = venv / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    if not sys.stdout.isatty():
        pip.append("--quiet")  # in a log, only what goes wrong
    index: list[object] = []
    if build == "cuda" and torch_build(venv).endswith("+cpu"):
        # The pin alone is satisfied by the CPU build, so pip would keep it.
        run([*pip, "uninstall", "--yes", "torch"], pass_fds=[lock])
    if build == "cpu" and not os.environ.get("PIP_FIND_LINKS"):
        # A local version (+cpu) sorts above the plain one; a folder of wheels brings its own.
        index = ["--extra-index-url", CPU_INDEX]
    run([*pip, "install", *index, *read_pins()], pass_fds=[lock])
    run([*pip, "install", "--no-deps", "--no-build-isolation", "--editable", "."], pass_fds=[lock])
    run([python, "-m", "ipykernel", "install", "--sys-prefix", "--name", "python3"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Create or repair the virtual environment.")
    builds = parser.add_mutually_exclusive_group()
    for name, text in (
        ("auto", "CUDA where nvidia-smi finds a GPU, else CPU (default)"),
        ("cpu", "CPU build of torch"),
        ("cuda", "CUDA build of torch"),
    ):
        builds.add_argument(f"--{name}", dest="build", action="store_const", const=name, help=text)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", metavar="FOLDER")
    options = parser.parse_args()

    venv = options.venv.absolute()
    build = options.build or "auto"
    if build == "auto":
        build = "cuda" if has_gpu() else "cpu"

    stamp = venv / STAMP
    if stamp.is_file() and stamp.read_text().strip() == signature(venv, build):
        return
    with one_at_a_time() as lock:
        if stamp.is_file() and stamp.read_text().strip() == signature(venv, build):
            return  # the run we waited for did it
        stamp.unlink(missing_ok=True)
        if usable(venv):
            say(f"repairing or updating {venv}")
            forget_unfinished(venv)
        else:
            if sys.version_info[:2] not in SUPPORTED:
                sys.exit(
                    "setup: Python 3.11 or 3.12 is required, this is {}.{}; "
                    "run with: make PYTHON=python3.11".format(*sys.version_info[:2])
                )
            create(venv, lock)
        say(f"installing the pins of {ENVIRONMENT.name} ({build} build of torch), a few minutes")
        install(venv, build, lock)
        stamp.write_text(signature(venv, build) + "\n")
        say(f"ready: {venv} (torch {torch_build(venv)})")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run the same command to continue", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        sys.exit(f"setup: {error}")
