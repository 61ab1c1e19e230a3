"""Where images and labels come from: folder, tar, zip, Parquet; one set of layout rules.

`sources.layout` has the rules, `sources.kinds` the table that a new kind of source is added to.
"""

from sources.entry import DataError, Entry, Listing, PassedOver, TooMuchError
from sources.kinds import Kind, register
from sources.listing import (
    list_entries,
    list_folder,
    list_source,
    read_files,
    source_digest,
    source_name,
)
from sources.samples import sample_apart, sample_labelled, sample_squares
from sources.subset import Subset

__all__ = [
    "DataError",
    "Entry",
    "Kind",
    "Listing",
    "PassedOver",
    "Subset",
    "TooMuchError",
    "list_entries",
    "list_folder",
    "list_source",
    "read_files",
    "register",
    "sample_apart",
    "sample_labelled",
    "sample_squares",
    "source_digest",
    "source_name",
]
