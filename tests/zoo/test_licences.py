"""What the texts of licences tell."""

import pytest

from zoo.licences import commercial_use


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("Apache-2.0", True),
        ("MIT", True),
        ("BSD-3-Clause", True),
        ("CC-BY-4.0", True),
        ("CC-BY-NC-4.0", False),
        ("cc-by-nc-sa-4.0", False),
        ("research use, as the training images", False),
        ("not for commercial use", False),
        ("Non-Commercial", False),
        ("unstated", None),
        ("", None),
        ("other", None),
        ("mitigated", None),
        ("see their page", None),
    ],
)
def test_whether_commercial_use_is_allowed(licence, allowed):
    assert commercial_use(licence) is allowed
