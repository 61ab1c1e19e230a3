"""Whether a licence allows commercial use; what is not known does not."""

import pytest

from zoo.catalog import load_catalog
from zoo.licences import (
    COMMERCIAL_USE,
    allows_commercial_use,
    commercial_use,
    described,
    forbids_commercial_use,
)


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("Apache-2.0", True),
        ("apache-2.0", True),
        ("MIT", True),
        ("BSD-3-Clause", True),
        ("GPL-3.0-or-later", True),
        (" CC-BY-4.0 ", True),
        ("CC-BY-NC-4.0", False),
        ("cc-by-nc-sa-4.0", False),
        ("CC-BY-NC-ND-3.0-IGO", False),
        ("intel-research", False),
        ("research use, as the training images", False),
        ("academic use", False),
        ("Apache-2.0, research only", False),
        ("not for commercial use", False),
        ("Non-Commercial", False),
        ("unstated", None),
        ("", None),
        ("other", None),
        ("mitigated", None),
        ("MIT or what its authors say", None),
        ("commercial use", None),
        ("the terms of the training images apply", None),
    ],
)
def test_whether_commercial_use_is_allowed(licence, allowed):
    assert commercial_use(licence) is allowed
    assert allows_commercial_use(licence) == (allowed is True)
    assert forbids_commercial_use(licence) == (allowed is False)
    assert described(licence).startswith(licence)


def test_no_name_in_the_table_contradicts_its_words():
    for name, allowed in COMMERCIAL_USE.items():
        assert name == name.casefold()
        assert allowed is False or commercial_use(f"{name} or later") is None


def test_the_catalog_names_licences_that_are_known():
    for entry in load_catalog():
        assert commercial_use(entry.weights_licence) is not None, entry.name
