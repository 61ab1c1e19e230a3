"""Which licences forbid commercial use."""

import pytest

from zoo.licences import forbids_commercial_use


@pytest.mark.parametrize(
    "licence",
    [
        "CC-BY-NC-4.0",
        "cc-by-nc-sa-3.0",
        "CC BY-NC-ND 4.0",
        "fair-noncommercial-research-license",
        "Non-Commercial Government Licence",
        "for research only",
        "apple-amlr LICENSE",
        "cc-by-nc-4.0 (of hf/org/base, which it was made from)",
    ],
)
def test_those_that_do(licence):
    assert forbids_commercial_use(licence)


@pytest.mark.parametrize(
    "licence",
    ["apache-2.0", "MIT", "cc-by-sa-4.0", "CC0-1.0", "dinov3-license", "ncsa", "unstated"],
)
def test_those_that_do_not(licence):
    assert not forbids_commercial_use(licence)
