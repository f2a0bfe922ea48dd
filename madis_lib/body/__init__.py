"""Skeleton, forward kinematics, landmarks and the default body (MaDiS §3.1, §4.1)."""

from madis_lib.body.model import Body, load

__all__ = ["Body", "load"]
