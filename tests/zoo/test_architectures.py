"""Widths of residual networks as `model.json` and the space digest hold them."""

import pytest
from pydantic import ValidationError

from zoo.architectures import ResNetArchitecture


@pytest.mark.parametrize("width", [1, 2, 3, 4, 1.0])
def test_a_whole_width_stays_an_integer(width) -> None:
    written = ResNetArchitecture(width=width).model_dump_json()
    assert f'"width":{width:.0f},' in written
    assert ResNetArchitecture.model_validate_json(written) == ResNetArchitecture(width=width)


@pytest.mark.parametrize("width", [0.25, 0.5, 0.75])
def test_a_fraction_of_a_width_is_read_as_written(width) -> None:
    architecture = ResNetArchitecture(width=width)
    assert ResNetArchitecture.model_validate_json(architecture.model_dump_json()) == architecture
    assert f"width {width}" in architecture.summary


@pytest.mark.parametrize("width", [0, 0.3, 0.125, 1.5, 5, "half"])
def test_other_widths_are_refused(width) -> None:
    with pytest.raises(ValidationError, match="width"):
        ResNetArchitecture(width=width)
