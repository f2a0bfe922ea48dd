"""``madis`` with the preset "tiny", for torchrun: ``-m tests.distributed.tiny_cli reproduce …``."""

from madis_lib import cli, presets
from tests import tiny

if __name__ == "__main__":
    presets.PRESETS["tiny"] = tiny.preset
    cli.main()
