"""tools/setup_env.py: choosing a build, repairing what a killed run left, clear errors.

The slow tests make real environments of small packages written here; no index is asked.
"""

import base64
import copy
import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tools import setup_env

ROOT = Path(__file__).parents[1]


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that an installation into an environment with torch +cpu would run."""
    shown: list[str] = []
    monkeypatch.setattr(
        setup_env, "run", lambda command, **_: shown.append(" ".join(map(str, command)))
    )
    (tmp_path / "lib/python3.11/site-packages/torch-2.13.0+cpu.dist-info").mkdir(parents=True)
    return shown


@pytest.mark.parametrize(("folder", "asked"), [(None, True), ("wheels", False)])
def test_cpu_build_comes_from_its_index_unless_a_wheel_folder_is_given(
    commands, tmp_path, monkeypatch, folder, asked
):
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    if folder:
        monkeypatch.setenv("PIP_FIND_LINKS", folder)
    setup_env.install(tmp_path, "cpu", lock=0)
    assert (f"--extra-index-url {setup_env.CPU_INDEX}" in commands[0]) is asked
    assert all(pin in commands[0] for pin in setup_env.read_pins())
    assert "--no-deps --no-build-isolation --editable ." in commands[1]


def test_cuda_replaces_the_cpu_build(commands, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    setup_env.install(tmp_path, "cuda", lock=0)
    assert commands[0].endswith("uninstall --yes torch")
    assert setup_env.CPU_INDEX not in " ".join(commands)


@pytest.mark.parametrize(("line", "code", "found"), [("GPU 0: x", 0, True), ("none", 9, False)])
def test_gpu_is_what_nvidia_smi_lists(tmp_path, monkeypatch, line, code, found):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{line}'\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert setup_env.has_gpu() is found


def test_no_nvidia_smi_means_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not setup_env.has_gpu()


def test_missing_ensurepip_names_the_package(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ensurepip is not available")
    monkeypatch.setattr(setup_env.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SystemExit, match=r"apt-get install python3\.\d+-venv"):
        setup_env.create(tmp_path / "venv", lock=0)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SystemExit, match="not a virtual environment"):
        setup_env.create(tmp_path, lock=0)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_other_pythons_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_env, "SUPPORTED", ((2, 7),))
    monkeypatch.setattr(sys, "argv", ["setup_env.py", "--cpu", "--venv", str(tmp_path / "venv")])
    with pytest.raises(SystemExit, match="3.11 or 3.12 is required"):
        setup_env.main()
    assert not (tmp_path / "venv").exists()


# --- real environments -------------------------------------------------------------------------

BACKEND = """
import shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    shutil.copy("editable/small_project-0.1-py3-none-any.whl", folder)
    return "small_project-0.1-py3-none-any.whl"
"""
KERNEL = """
import pathlib, sys
folder = pathlib.Path(sys.prefix, "share/jupyter/kernels/python3")
folder.mkdir(parents=True, exist_ok=True)
(folder / "kernel.json").write_text("{}")
"""


def write_wheel(folder: str | Path, name: str, version: str, files: dict[str, str]) -> Path:
    """A pure-Python wheel with these files, by their paths in site-packages."""
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        csv.writer(record).writerow([path, f"sha256={digest.decode()}", len(text)])
    csv.writer(record).writerow([f"{info}/RECORD", "", ""])
    wheel = Path(folder) / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", record.getvalue())
    return wheel


class Project:
    """A small project set up by the real script from a folder of small wheels."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self.venv = root / ".venv"
        self.wheels = root / "wheels"
        (root / "tools").mkdir()
        self.wheels.mkdir()
        (root / "tools/setup_env.py").write_text((ROOT / "tools/setup_env.py").read_text())
        (root / "backend.py").write_text(BACKEND)
        (root / "editable").mkdir()
        write_wheel(root / "editable", "small_project", "0.1", {"small_project.pth": str(root)})
        (root / "pyproject.toml").write_text(
            '[project]\nname = "small-project"\nversion = "0.1"\n'
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        for version in ("1.0", "2.0"):
            write_wheel(self.wheels, "torch", version, {"torch.py": f"v = {version}\n"})
        write_wheel(self.wheels, "ipykernel", "1.0", {"ipykernel/__main__.py": KERNEL})
        write_wheel(
            self.wheels, "many", "1.0", {f"many/m{i}.py": f"value = {i}\n" for i in range(600)}
        )
        self.pin("1.0")

    def move_to(self, root: Path) -> "Project":
        self.root.rename(root)
        moved = copy.copy(self)
        moved.root, moved.venv, moved.wheels = root, root / ".venv", root / "wheels"
        return moved

    def pin(self, torch: str) -> None:
        (self.root / "environment.yml").write_text(
            f"dependencies:\n  - pip:\n      - torch=={torch}\n"
            "      - many==1.0\n      - ipykernel==1.0\n"
        )

    def start(self) -> subprocess.Popen:
        environment = os.environ | {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return subprocess.Popen(
            [sys.executable, "tools/setup_env.py", "--cpu"],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # a shell's background job ignores Ctrl-C, and so would what it starts
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    def set_up(self) -> str:
        process = self.start()
        shown, _ = process.communicate(timeout=300)
        assert process.returncode == 0, shown
        return shown

    def works(self) -> bool:
        code = "import many, torch; from many import " + ", ".join(f"m{i}" for i in range(600))
        python = self.venv / "bin/python"
        done = subprocess.run([python, "-c", code], check=False, capture_output=True)
        kernel = self.venv / "share/jupyter/kernels/python3/kernel.json"
        return done.returncode == 0 and kernel.is_file()


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.mark.slow
def test_set_up_repeat_repair_update_move(project, tmp_path):
    assert "setup: ready" in project.set_up()
    assert project.works()
    assert project.set_up() == ""  # nothing to do, nothing said

    # Without the stamp a damaged package is found and installed again.
    (project.venv / setup_env.STAMP).unlink()
    (damaged,) = project.venv.glob("lib/python3.*/site-packages/many/m7.py")
    damaged.write_text("")
    assert "many-1.0 is incomplete" in project.set_up()
    assert project.works()

    project.pin("2.0")
    assert "ready" in project.set_up()
    assert setup_env.torch_build(project.venv) == "2.0"

    moved = project.move_to(tmp_path / "moved")
    assert "setup: creating" in moved.set_up()
    assert moved.works()


@pytest.mark.slow
def test_killed_at_any_moment_it_continues(project):
    delay, kills = 0.4, 0
    while True:
        process = project.start()
        try:
            process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            # Every other time the script alone, whose installer then goes on for a while.
            kill = os.killpg if kills % 2 else os.kill
            kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            delay *= 1.5
            # Killed after its last step, it may be stamped already; then it must be whole.
            assert not (project.venv / setup_env.STAMP).exists() or project.works()
            continue
        break
    assert process.returncode == 0, process.stdout.read()
    assert kills >= 2
    assert project.works()


@pytest.mark.slow
def test_interrupted_says_how_to_continue(project):
    process = project.start()
    while not list(project.venv.glob("lib/python3.*/site-packages/many")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command to continue" in shown
    assert "Traceback" not in shown
    project.set_up()
    assert project.works()
