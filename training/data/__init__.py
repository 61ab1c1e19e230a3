"""Images on disk -> pixels in memory."""

from training.data.entry import DataError, Entry
from training.data.feed import Feed
from training.data.near_duplicates import near_duplicates
from training.data.packed import Packed, pack
from training.data.sources import list_entries, read_files, source_digest, source_name

__all__ = [
    "DataError",
    "Entry",
    "Feed",
    "Packed",
    "list_entries",
    "near_duplicates",
    "pack",
    "read_files",
    "source_digest",
    "source_name",
]
