"""Golden vectors of an imported graph: real images, and mistakes that must be seen."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from zoo.arrays import Pixels, Vectors
from zoo.errors import ImportRefusedError
from zoo.images import InputBlock
from zoo.importing.rule import Rule
from zoo.runtimes.golden import Golden, agreement
from zoo.sample_images import sample_squares

_CLEAR = 0.999
"""A mistake must lower the least cosine to this: ten times further than the tolerance."""
_PHOTOS = 6
_VARIES = 1e-5
"""Share of its largest value by which an output must differ between photos at least."""


def golden_images(block: InputBlock) -> Pixels:
    """Photos, and one of them in orange light, in which the order of colours shows.

    uint8 (7, size, size, 3).
    """
    photos = sample_squares(block, _PHOTOS)
    orange = (photos[0] * np.array([1.0, 0.5, 0.0])).astype(np.uint8)
    return np.concatenate([photos, orange[None]])


def golden_of(images: Pixels, rule: Rule, embed: Callable[[Pixels, Rule], Vectors]) -> Golden:
    """The golden vectors of what `embed` gives, with every mistake that it clearly shows.

    Raises:
        ImportRefusedError: an embedding is not finite or has no direction, all are the same, or no
            mistake can be seen.
    """
    embeddings = embed(images, rule)
    if not np.isfinite(embeddings).all():
        raise ImportRefusedError(
            "its output is not finite on real photos: it takes other values (see --range, --mean "
            "and --std), or is damaged"
        )
    spread = np.abs(embeddings - embeddings[:1]).max()
    if not spread > _VARIES * np.abs(embeddings).max() or not embeddings.any(axis=1).all():
        raise ImportRefusedError(
            "its output is the same for all photos: it takes other values (see --range, --mean and "
            "--std), or is no encoder's"
        )
    controls: dict[str, Vectors] = {}
    for name, mistaken, by in _mistakes(images, rule):
        if name in controls:
            continue
        wrong = embed(mistaken, by)
        if not np.isfinite(wrong).all():
            continue
        if agreement(wrong, embeddings).cosine_min <= _CLEAR:
            controls[name] = wrong
    if not controls:
        raise ImportRefusedError(
            "its output hardly changes with what the photos show, so that no mistake in serving it "
            "could be seen: it takes other values (see --range, --mean and --std), or is no "
            "encoder's"
        )
    return Golden(images, embeddings, controls)


def _mistakes(images: Pixels, rule: Rule) -> Iterator[tuple[str, Pixels, Rule]]:
    """Of each name, the first that shows is kept.

    What none of them shows, a network evens out by itself, such as contrast in one that normalises
    what it takes; nobody needs to see it then.
    """
    if rule.kind != TensorProto.UINT8:
        for mean, std in (_IMAGENET, _NONE, _UNSCALED):
            wrong = rule.block.model_copy(update={"mean": mean, "std": std})
            yield "normalisation", images, replace(rule, block=wrong)
    # What a normalisation too many does to pixels.
    yield "normalisation", (images // 8 + 112).astype(np.uint8), rule
    yield "normalisation", 255 - images, rule
    yield "channel-order", np.ascontiguousarray(images[..., ::-1]), rule
    yield "layout", np.ascontiguousarray(images.transpose(0, 2, 1, 3)), rule


_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_UNSCALED = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
