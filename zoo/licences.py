"""What licences say of commercial use.

It is about an encoder's weights alone, not about the images behind them, and it is no legal advice.
Names are SPDX's and those of Hugging Face's hub, in any case.
"""

import re

_ALLOW = """
0bsd afl-3.0 agpl-3.0 agpl-3.0-only agpl-3.0-or-later apache-2.0 artistic-2.0 bigcode-openrail-m
bigscience-bloom-rail-1.0 bigscience-openrail-m blueoak-1.0.0 bsd bsd-2-clause bsd-3-clause
bsd-3-clause-clear bsl-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0
cdla-permissive-1.0 cdla-permissive-2.0 creativeml-openrail-m ecl-2.0 epl-1.0 epl-2.0 eupl-1.1
eupl-1.2 gpl gpl-2.0 gpl-2.0-only gpl-2.0-or-later gpl-3.0 gpl-3.0-only gpl-3.0-or-later isc lgpl
lgpl-2.1 lgpl-2.1-only lgpl-2.1-or-later lgpl-3.0 lgpl-3.0-only lgpl-3.0-or-later mit mpl-2.0 ms-pl
ncsa openrail openrail++ osl-3.0 pddl-1.0 postgresql unlicense wtfpl zlib
"""
_FORBID = """
apple-amlr cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 deepfloyd-if-license fair-noncommercial-research-license h-research
intel-research
"""
COMMERCIAL_USE = {
    **dict.fromkeys(_ALLOW.split(), True),
    **dict.fromkeys(_FORBID.split(), False),
}
"""Whether a licence allows commercial use, by its name in lower case."""

_FORBIDDING_WORDS = re.compile(
    r"\bnc\b|non-?\s?commercial|not for commercial"
    r"|\b(?:research|academic|educational)[ -](?:use|only)",
    re.IGNORECASE,
)


def commercial_use(licence: str) -> bool | None:
    """Whether a licence allows commercial use; None where neither its name nor its words tell.

    Plain words (`research use, as the training images`) can forbid it, never allow it.
    """
    known = COMMERCIAL_USE.get(licence.strip().casefold())
    return False if known is None and _FORBIDDING_WORDS.search(licence) else known


def allows_commercial_use(licence: str) -> bool:
    """Whether it is known to allow commercial use."""
    return commercial_use(licence) is True


def forbids_commercial_use(licence: str) -> bool:
    """Whether it is known to forbid commercial use."""
    return commercial_use(licence) is False


def described(licence: str) -> str:
    """The licence and what it says of commercial use, for people."""
    says = {
        True: "commercial use allowed",
        False: "no commercial use",
        None: "whether commercial use is allowed is not known",
    }
    return f"{licence} ({says[commercial_use(licence)]})"
