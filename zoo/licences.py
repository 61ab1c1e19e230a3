"""What a licence's name says of commercial use."""

import re

_RESEARCH_ONLY = {
    "apple-amlr",
    "deepfloyd-if-license",
    "h-research",
    "intel-research",
}
"""Names on Hugging Face's hub of licences that forbid it without saying so in their names."""

_FORBIDS = re.compile(r"\bNC\b|non-?\s?commercial|research[ -]only", re.IGNORECASE)


def forbids_commercial_use(licence: str) -> bool:
    """Whether a licence such as `CC-BY-NC-4.0` forbids it, as far as its name says."""
    words = set(licence.casefold().split())
    return bool(_FORBIDS.search(licence) or words & _RESEARCH_ONLY)
