"""Losses as pure functions."""

from training.losses.nt_xent import nt_xent, nt_xent_global

__all__ = ["nt_xent", "nt_xent_global"]
