"""The authors' release: its checkpoints, and its side of every choice where it differs.

The library's functions have the paper's reading as their default; here are the other values:

=================  =====================================================================
``forward``        heads over spare ids and pad, one softmax in pretraining, positions
``noise``          t not stratified, order of random draws
``losses``         normalisers, eos never a target, padding is motion too
``generation``     rounded schedule, body confidence, streams on their own
``siclip``         pools of 45 and a mask on the wrong axis
``checkpoints``    tokenizer.ckpt, pretrained.ckpt, sft_*.ckpt, siclip.ckpt
=================  =====================================================================
"""

from madis_lib.release.checkpoints import load_checkpoint
from madis_lib.release.system import ReleasedMaDiS, ReleasedSiCLIP

__all__ = ["ReleasedMaDiS", "ReleasedSiCLIP", "load_checkpoint"]
