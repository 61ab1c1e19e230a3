"""Evaluation on features that are computed once."""
