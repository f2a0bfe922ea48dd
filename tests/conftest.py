"""Settings every test shares: few threads, no display, no network; and the golden vectors."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

# Before torch, numba and matplotlib are imported, here and in the notebook kernels and other
# processes that tests start.  Busy threads cost small kernels far more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["MPLBACKEND"] = "Agg"
os.environ["HF_HUB_OFFLINE"] = "1"
# The default body, also on a machine whose user has a licensed one.
os.environ.pop("MADIS_SMPLX", None)


def pytest_configure(config) -> None:
    """Hide GPUs from all tests but those that are for one: what a CPU computes is exact."""
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", socket.gethostname()}


class NetworkUsed(RuntimeError):
    """A test tried to reach another machine; everything runs offline after installation."""


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or name in LOCAL or str(name).startswith("127.")


@pytest.fixture(scope="session", autouse=True)
def offline() -> object:
    """Make every connection and name look-up beyond this machine fail at once."""
    connect, connect_ex, getaddrinfo = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def check(host: object) -> None:
        if not _is_local(host):
            raise NetworkUsed(f"connection to {host!r}: tests run offline")

    def guard(method):
        def guarded(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(address[0])
            return method(self, address)

        return guarded

    def guarded_getaddrinfo(host, *args, **kwargs):
        check(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guard(connect))
        patch.setattr(socket.socket, "connect_ex", guard(connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


class Golden:
    """Numbers measured elsewhere, read by file name: ``golden.json("dtw")``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        path = self.folder / name
        assert path.is_file(), f"{path}: no such golden file"
        return path

    def json(self, name: str):
        return json.loads(self.path(f"{name}.json").read_text(encoding="utf-8"))

    def tensors(self, name: str):
        """Tensors of ``name.safetensors`` by key."""
        from safetensors.torch import load_file

        return load_file(self.path(f"{name}.safetensors"))


@pytest.fixture(scope="session")
def golden() -> Golden:
    """The golden vectors in tests/golden, or in the folder that $MADIS_GOLDEN names."""
    return Golden(Path(os.environ.get("MADIS_GOLDEN", Path(__file__).parent / "golden")))


# One tiny suite, from corpus to scores, for every test that needs runs.  Imports are late, so that
# the settings above come first and other tests do not pay for them.


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """Where the runs of the tiny preset are kept."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def suite(home):
    """The suite of the preset "tiny"; a run is made when a test first asks for it."""
    from madis_lib import presets
    from madis_lib.experiments.suite import Suite
    from tests import tiny

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", tiny.preset)
        yield Suite(tiny.preset(), home)


@pytest.fixture(scope="session")
def checkpoint(suite, tmp_path_factory) -> Path:
    """A folder as it is shipped: tokenizer, provenance, a model per corpus."""
    from madis_lib.experiments.suite import CORPORA
    from madis_lib.systems.madis import MaDiSSystem
    from madis_lib.tokenizer import Tokenizer

    folder = tmp_path_factory.mktemp("checkpoints")
    suite.tokenizer.save(folder / "tokenizer.safetensors", half=True)
    tokenizer = Tokenizer.load(folder / "tokenizer.safetensors")
    for corpus in CORPORA:
        system = suite.system(corpus)
        shipped = MaDiSSystem(tokenizer, system.text, system.model, system.steps)
        shipped.save(folder / corpus, half=True)
    about = {"signs": suite.preset.corpus.signs, "preset": "tiny"}
    (folder / "provenance.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="session")
def report(suite, home, tmp_path_factory) -> Path:
    """The folder of a finished report on the tiny suite."""
    from madis_lib.reporting.reproduce import reproduce

    page = reproduce("tiny", home, tmp_path_factory.mktemp("reports"), None, notebooks=False)
    return page.parent
