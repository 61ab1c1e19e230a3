"""Every test has a store of its own."""

import pytest


@pytest.fixture(autouse=True)
def _own_store(home):
    pass
