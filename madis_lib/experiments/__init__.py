"""Runs: what to train and measure, kept where it is found again."""
