"""Gathers single images into batches for an encoder."""

from service.batching.batcher import Batcher

__all__ = ["Batcher"]
