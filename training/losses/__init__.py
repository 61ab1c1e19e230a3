"""Losses as pure functions."""

from training.losses.info_nce import info_nce, info_nce_global
from training.losses.nt_xent import nt_xent, nt_xent_global

__all__ = ["info_nce", "info_nce_global", "nt_xent", "nt_xent_global"]
