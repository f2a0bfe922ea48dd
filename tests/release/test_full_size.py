"""A checkpoint as large as the authors' fine-tuned one, with random weights in float16."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from madis_lib import presets
from madis_lib.presets import ModelConfig
from madis_lib.release import shapes
from madis_lib.release.shapes import Sizes
from tests.release import synthetic

ROOT = Path(__file__).parents[2]
MODEL = ModelConfig(1024, 28, 16, 8, 128, 3072, max_tokens=100, text_vocab=synthetic.ROWS)
LOAD = """
import resource, sys, time
from madis_lib import release
began = time.monotonic()
model = release.load_checkpoint(*sys.argv[1:]).model
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(sum(p.numel() for p in model.parameters()), peak, time.monotonic() - began)
"""


@pytest.mark.slow
@pytest.mark.xdist_group("memory")  # never two at once
def test_a_full_size_checkpoint_loads(tmp_path):
    """1 GB; loaded in about half a minute with less than 6 GB at once."""
    sizes = Sizes(presets.paper().tokenizer, MODEL)
    weights = {}
    for name, shape in shapes.expected(sizes, "language", "vae").items():
        weights[name] = torch.empty(shape, dtype=torch.float16).uniform_(-0.05, 0.05)
    for part, prefix in (("body", "vae"), ("lhand", "hand_vae"), ("rhand", "rhand_vae")):
        weights[f"{shapes.LANGUAGE}{part}_codebook"] = weights[f"{prefix}.quantizer.codebook"]
    path = synthetic.save(tmp_path / "sft_csl.ckpt", weights)
    text = synthetic.text_folder(tmp_path / "text")
    told = subprocess.run(
        [sys.executable, "-c", LOAD, path, text, synthetic.stats_folder(tmp_path / "stats")],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    count, peak, seconds = map(float, told.stdout.split())
    print(f"{count / 1e6:.0f} M parameters, {seconds:.0f} s, {peak:.1f} GB")
    assert 440e6 < count < 500e6  # Qwen3-0.6B's layers, a trimmed vocabulary, three parts
    assert peak < 6
