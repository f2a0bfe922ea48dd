"""One tiny suite, from corpus to scores, for all tests of the report."""

import json

import pytest

from madis_lib import presets
from madis_lib.experiments.suite import CORPORA, Suite
from madis_lib.presets import CorpusConfig, ModelConfig, Preset, TokenizerConfig, TrainConfig
from madis_lib.systems.madis import MaDiSSystem
from madis_lib.tokenizer import Tokenizer


def tiny() -> Preset:
    """Seconds from nothing to the report; learns nothing."""
    return Preset(
        name="tiny",
        corpus=CorpusConfig(signs=40, train=40, dev=2, test=5, glosses=(2, 3)),
        tokenizer=TokenizerConfig(codes=(16, 12, 12), width=16, code_dim=8, depth=1),
        model=ModelConfig(32, 1, 2, 1, 16, 48, max_tokens=24, text_vocab=300),
        train_tokenizer=TrainConfig(8, 8, 2e-3),
        pretrain=TrainConfig(4, 8, 2e-3),
        finetune=TrainConfig(4, 8, 2e-3),
        tokenizer_window=40,
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def suite(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", tiny)
        yield Suite(tiny(), home)


@pytest.fixture(scope="session")
def report(suite, home, tmp_path_factory):
    """The folder of a finished report."""
    from madis_lib.reporting.reproduce import reproduce

    page = reproduce("tiny", home, tmp_path_factory.mktemp("reports"), None, notebooks=False)
    return page.parent


@pytest.fixture(scope="session")
def checkpoint(suite, tmp_path_factory):
    """A folder as it is shipped: tokenizer, provenance, a model per corpus."""
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
