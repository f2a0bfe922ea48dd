"""Put a preset's trained models into the package: ``python tools/ship_checkpoint.py laptop``.

Writes madis_lib/checkpoints/: one sign tokenizer, a model and text tokenizer per corpus, in
float16, and provenance.json.  Every run must have finished; nothing is trained here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from madis_lib import presets
from madis_lib.experiments.suite import Suite
from madis_lib.systems.madis import MaDiSSystem
from madis_lib.tokenizer import Tokenizer

PACKAGE = Path(__file__).parents[1] / "madis_lib" / "checkpoints"
LIMIT = 10 * 2**20  # bytes, all together


def main(preset: str, home: Path = Path(".madis")) -> None:
    suite = Suite(presets.get(preset), home)
    shutil.rmtree(PACKAGE, ignore_errors=True)
    suite.tokenizer.save(PACKAGE / "tokenizer.safetensors", half=True)
    shipped = Tokenizer.load(PACKAGE / "tokenizer.safetensors")  # rounded, with its own fingerprint
    for corpus in suite.corpora:
        trained = suite.system(corpus)
        system = MaDiSSystem(shipped, trained.text, trained.model, trained.steps)
        system.save(PACKAGE / corpus, half=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    record = {
        "preset": preset,
        "signs": suite.preset.corpus.signs,
        "seed": suite.preset.corpus.seed,
        "commit": commit,
        "corpus": "SignWorld (synthetic signing)",
        "runs": {c: suite.finetuned(c).key for c in suite.corpora},
    }
    (PACKAGE / "provenance.json").write_text(json.dumps(record, indent=1) + "\n")
    size = sum(f.stat().st_size for f in PACKAGE.rglob("*") if f.is_file())
    if size > LIMIT:
        raise SystemExit(f"{PACKAGE}: {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}")
    print(f"{PACKAGE}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main(*sys.argv[1:])
