"""Images on disk -> pixels in memory."""

from training.data.entry import DataError, Entry
from training.data.feed import Feed
from training.data.near_duplicates import leave_out_near, near_duplicates
from training.data.packed import Packed, pack
from training.data.samples import sample_labelled, sample_squares
from training.data.sources import list_entries, read_files, source_digest, source_name

__all__ = [
    "DataError",
    "Entry",
    "Feed",
    "Packed",
    "leave_out_near",
    "list_entries",
    "near_duplicates",
    "pack",
    "read_files",
    "sample_labelled",
    "sample_squares",
    "source_digest",
    "source_name",
]
