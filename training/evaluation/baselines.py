"""What an encoder must beat: itself untrained, raw pixels, and gradients made by hand."""

import numpy as np
import torch
from skimage.feature import hog

from training.evaluation.features import EvaluatedModel
from training.evaluation.models import recipe_of
from zoo.architectures import Architecture, OnnxGraph
from zoo.arrays import Pixels, Vectors
from zoo.encoders import Run, ServedEncoder, build_encoder
from zoo.images import InputBlock
from zoo.manifest import Layer, OutputLayer
from zoo.package import Package

LAST_STAGE = Layer(stages=("layer4",))


def baselines_of(embedder: EvaluatedModel) -> list[EvaluatedModel]:
    """What stands beside an embedder: all three; of an imported graph, which cannot be built
    untrained, the last two."""
    assert embedder.source is not None  # the untrained network is of its architecture
    architecture, layer = _served_from(embedder.source)
    others = [pixels(), histograms_of_gradients()]
    if isinstance(architecture, OnnxGraph) or isinstance(layer, OutputLayer):
        return others
    return [untrained(architecture, embedder.block, layer), *others]


def _served_from(source: Run | Package) -> tuple[Architecture | OnnxGraph, Layer | OutputLayer]:
    if isinstance(source, Package):
        return source.manifest.architecture, source.manifest.layer
    architecture = recipe_of(source).architecture
    return architecture, Layer(stages=(architecture.last_stage,))


def untrained(
    architecture: Architecture, block: InputBlock, layer: Layer = LAST_STAGE, seed: int = 0
) -> EvaluatedModel:
    """The network with fresh weights, at the input and the stages of the trained one.

    Of the layer's steps, `centre` and `whiten` are left out: their statistics are learned.
    """
    steps = tuple(step for step in layer.steps if step in ("sqrt", "unit"))
    layer = layer.model_copy(update={"steps": steps})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dim = build_encoder(architecture).pooled_dim(layer.stages, layer.grid)
        network = ServedEncoder(architecture, layer, block, dim).eval()

    @torch.inference_mode()
    def embed(images: Pixels) -> Vectors:
        features: Vectors = network(torch.from_numpy(images)).numpy()
        return features

    identity = f"untrained {architecture.model_dump_json()} {layer.model_dump_json()} seed {seed}"
    return EvaluatedModel("untrained", identity, block, embed)


def pixels() -> EvaluatedModel:
    """The centre square at 32 x 32 pixels, as 3,072 numbers."""

    def embed(images: Pixels) -> Vectors:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)

    return EvaluatedModel("pixels", "pixels", InputBlock(size=32), embed)


def histograms_of_gradients() -> EvaluatedModel:
    """HOG (Dalal and Triggs 2005): 64 px, 9 orientations, cells of 8 px, blocks of 2 x 2 cells.

    Of the three colours, the one with the steepest gradient counts at each pixel; 1,764 numbers.
    """

    def embed(images: Pixels) -> Vectors:
        rows = [
            hog(
                image,
                orientations=9,
                pixels_per_cell=(8, 8),
                cells_per_block=(2, 2),
                block_norm="L2-Hys",
                channel_axis=-1,
            )
            for image in images
        ]
        return np.asarray(rows, np.float32)

    return EvaluatedModel("HOG", "hog 9 8x8 2x2 L2-Hys", InputBlock(size=64), embed)
