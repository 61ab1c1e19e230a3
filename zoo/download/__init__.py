"""Files from elsewhere: resumed after any interruption, proven whole before they have a name."""

from zoo.download import first_use
from zoo.download.checkpoints import Choice, plan_entry, pull_entry, take_entry
from zoo.download.claims import Claim
from zoo.download.folders import Unfinished, discard, private_folder, unfinished
from zoo.download.http import HttpFile, open_client
from zoo.download.plan import Plan, Planned, plan
from zoo.download.remote import Remote, Silent, TransferProgress
from zoo.download.transfer import Wanted, check_space, fetch, read_small

__all__ = [
    "Choice",
    "Claim",
    "HttpFile",
    "Plan",
    "Planned",
    "Remote",
    "Silent",
    "TransferProgress",
    "Unfinished",
    "Wanted",
    "check_space",
    "discard",
    "fetch",
    "first_use",
    "open_client",
    "plan",
    "plan_entry",
    "private_folder",
    "pull_entry",
    "read_small",
    "take_entry",
    "unfinished",
]
