"""``python -m madis_lib`` is ``madis``."""

from madis_lib.cli import main

main()
