"""What was run, where and with what: beside every number."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "numba")
DISTRIBUTION = "madis-companion"


def version() -> str:
    """The installed version of the package."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """The commit of the source tree, marked when files differ from it; else the version."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return f"version {version()}"
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "madis_lib")
    except (OSError, subprocess.CalledProcessError):
        return f"version {version()}"
    return f"{head} with changes" if changed else head


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    return done.stdout.strip()


def peak_memory_mb() -> dict[str, float]:
    """Largest resident memory so far of this process and of the largest child, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    who = {"process": resource.RUSAGE_SELF, "largest child": resource.RUSAGE_CHILDREN}
    return {name: round(resource.getrusage(of).ru_maxrss / unit) for name, of in who.items()}


def processor() -> str:
    """The CPU's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((s.split(": ")[1] for s in lines if s.startswith("model name")), "CPU")


def environment() -> dict[str, Any]:
    """Versions, device and threads."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "commit": commit(),
        "version": version(),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }
