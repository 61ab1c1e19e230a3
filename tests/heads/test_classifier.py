import contextlib
import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import ArrayLike

from heads import Classifier, HeadError, from_bytes, probabilities, to_bytes

finite = st.floats(-1e6, 1e6, width=32)


@st.composite
def classifiers(draw: st.DrawFn) -> Classifier:
    classes = tuple(draw(st.lists(st.text(min_size=1), min_size=2, max_size=6, unique=True)))
    dim = draw(st.integers(1, 8))
    weights = draw(hnp.arrays(np.float32, (len(classes), dim), elements=finite))
    bias = draw(hnp.arrays(np.float32, (len(classes),), elements=finite))
    return Classifier(classes, weights, bias, draw(st.floats(1e-6, 1e12)))


EXAMPLE = Classifier(
    ("cat", "dog"), np.array([[1, 0, 2], [0, 1, 0]], np.float32), np.zeros(2, np.float32), 3.0
)


def file_with(**changes: Any) -> bytes:
    """The example as bytes, with metadata or tensors changed; None removes."""
    metadata: dict[str, Any] = {
        "format": "encoder-zoo-head/1",
        "classes": '["a", "b"]',
        "strength": "1.0",
    }
    tensors: dict[str, Any] = {
        "weights": np.ones((2, 3), np.float32),
        "bias": np.ones(2, np.float32),
    }
    for name, value in changes.items():
        target = tensors if name in tensors else metadata
        if value is None:
            del target[name]
        else:
            target[name] = value
    return safetensors.numpy.save(tensors, metadata)


@settings(deadline=None)
@given(classifiers())
def test_bytes_bring_back_the_classifier(classifier: Classifier) -> None:
    again = from_bytes(to_bytes(classifier))
    assert again.classes == classifier.classes
    assert again.strength == classifier.strength
    np.testing.assert_array_equal(again.weights, classifier.weights)
    np.testing.assert_array_equal(again.bias, classifier.bias)
    assert again.weights.dtype == again.bias.dtype == np.float32


def test_weights_that_are_a_transposed_view_survive() -> None:
    weights = np.arange(6, dtype=np.float32).reshape(3, 2).T
    again = from_bytes(to_bytes(Classifier(("a", "b"), weights, np.zeros(2, np.float32), 1.0)))
    np.testing.assert_array_equal(again.weights, weights)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_head_error(data: bytes) -> None:
    with pytest.raises(HeadError):
        from_bytes(data)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_head_is_a_head_error_or_a_head(data: st.DataObject) -> None:
    whole = bytearray(to_bytes(EXAMPLE))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for damaged in (bytes(whole), cut):
        with contextlib.suppress(HeadError):
            assert isinstance(from_bytes(damaged), Classifier)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": None}, "but of None"),
        ({"format": "encoder-zoo-head/9"}, "fit it again"),
        ({"classes": None}, "classes"),
        ({"classes": "["}, "unreadable"),
        ({"classes": "[1, 2]"}, "list of names"),
        ({"classes": '["a", "a"]'}, "distinct"),
        ({"classes": '["a", "b", "c"]'}, "3 rows"),
        ({"strength": None}, "strength"),
        ({"strength": '"x"'}, "not a number"),
        ({"strength": "-1.0"}, "positive"),
        ({"strength": "NaN"}, "positive"),
        ({"weights": None}, "weights"),
        ({"weights": np.ones((2, 3))}, "float32"),
        ({"weights": np.full((2, 3), np.nan, np.float32)}, "finite"),
        ({"weights": np.ones(6, np.float32)}, "2 rows"),
        ({"bias": np.ones(3, np.float32)}, "2 numbers"),
    ],
)
def test_a_head_that_is_not_whole_says_what_is_wrong(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(HeadError, match=message):
        from_bytes(file_with(**changes))


def test_a_safetensors_file_without_metadata_is_no_head() -> None:
    with pytest.raises(HeadError, match="format"):
        from_bytes(safetensors.numpy.save({"weights": np.ones((2, 3), np.float32)}))


def test_the_file_is_safetensors_with_json_metadata() -> None:
    data = to_bytes(EXAMPLE)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["classes"]) == ["cat", "dog"]
    np.testing.assert_array_equal(safetensors.numpy.load(data)["weights"], EXAMPLE.weights)


def test_probabilities_are_the_softmax_of_unit_vectors() -> None:
    answer = probabilities(EXAMPLE, [[3.0, 0, 4.0]])
    logits = np.array([0.6 + 2 * 0.8, 0])
    np.testing.assert_allclose(answer, [np.exp(logits) / np.exp(logits).sum()], rtol=1e-6)
    assert answer.dtype == np.float64


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 3), elements=st.floats(0.1, 10)), st.floats(1e-150, 1e150))
def test_probabilities_sum_to_one_and_ignore_length(vectors: np.ndarray, factor: float) -> None:
    answer = probabilities(EXAMPLE, vectors)
    np.testing.assert_allclose(answer.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities(EXAMPLE, vectors * factor), answer)


def test_no_vectors_give_no_probabilities() -> None:
    assert probabilities(EXAMPLE, np.zeros((0, 3))).shape == (0, 2)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0]], "2 dimensions, the head was fitted on 3"),
        ([[1.0, 2.0, 3.0], [1.0, np.nan, 0]], "vector 1 .* not finite"),
        ([[1.0, 2.0, 3.0], [0, 0, 0]], "vector 1 is all zeros"),
        ([1.0, 2.0, 3.0], "table"),
        ([[1.0], [1.0, 2.0]], "same length"),
        ([["a", "b", "c"]], "numbers"),
    ],
)
def test_vectors_that_cannot_be_judged(vectors: ArrayLike, message: str) -> None:
    with pytest.raises(HeadError, match=message):
        probabilities(EXAMPLE, vectors)
