"""Losses as pure functions."""

from training.losses.info_nce import info_nce
from training.losses.nt_xent import nt_xent, nt_xent_global

__all__ = ["info_nce", "nt_xent", "nt_xent_global"]
