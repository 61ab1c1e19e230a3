from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from training.data import Packed
from training.methods.cpc import CPCSettings
from training.studies.cpc_ladder import ladder, rungs
from training.studies.scales import CPC, Size
from training.studies.study import Study
from zoo.architectures import CPCArchitecture


@pytest.mark.parametrize("size", Size)
def test_the_ladder_ends_as_cpc_v2_and_adds_one_thing_a_rung(size) -> None:
    nothing = Packed("nothing", np.empty((0, 32, 32, 3), np.uint8), [], {})
    empty = Study("cpc_ladder", size, CPC[size], Path(), nothing, nothing, print)
    recipes = ladder(empty)
    assert list(recipes) == ["CPC v1", "+MC", "+BU", "+LN", "+RC", "+HP", "+LP", "+PA"]
    assert list(recipes) == list(rungs(size))
    found = [(r.architecture.model_dump(), r.method.model_dump()) for r in recipes.values()]
    assert all(a != b for a, b in pairwise(found))
    first, last = recipes["CPC v1"], recipes["+PA"]
    assert isinstance(first.architecture, CPCArchitecture)
    assert isinstance(last.architecture, CPCArchitecture)
    assert isinstance(last.method, CPCSettings)
    assert (first.architecture.patch, first.architecture.norm) == (8, "none")
    assert (last.architecture.patch, last.architecture.stride) == (12, 4)
    assert (last.architecture.norm, last.method.offsets) == ("layer", (3,))
    assert last.method.directions == ("down", "up", "left", "right")
    assert last.method.patches.model_dump() == {
        "margin": 1, "grey": 0, "drop": 0.5, "policies": True,
    }  # fmt: skip
    settings = [recipe.model_dump(exclude={"architecture", "method"}) for recipe in (first, last)]
    assert settings[0] == settings[1], "the rungs differ in CPC alone"
