"""The embedding cache."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.embedding.cache import EmbeddingCache

ENTRY = 4 * 10 + 200


def vector(value: int) -> np.ndarray:
    return np.full(10, value, np.float32)


@settings(deadline=None)
@given(st.integers(0, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60))
def test_it_keeps_what_was_used_last(room: int, steps: list[tuple[bool, int]]) -> None:
    cache = EmbeddingCache(room * ENTRY)
    model: list[int] = []
    for is_put, key in steps:
        found = cache.get(str(key))
        assert (found is not None) == (key in model)
        if found is not None:
            assert (found == key).all()
            model.remove(key)
            model.append(key)
        if is_put:
            cache.put(str(key), vector(key))
            model = [*(k for k in model if k != key), key][-room:] if room else []
