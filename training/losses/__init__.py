"""Losses: pure functions of tensors, each checked against a float64 reference in the tests."""

from training.losses.nt_xent import nt_xent

__all__ = ["nt_xent"]
