"""Runs: what to train and measure, kept where it is found again."""

from madis_lib.experiments.registered import register

__all__ = ["register"]
