"""What an encoder must beat: itself untrained, raw pixels, and gradients made by hand."""

import numpy as np
import torch
from skimage.feature import hog

from training.evaluation.features import Embedder, Floats
from zoo.architectures import ResNetArchitecture
from zoo.encoders import build_resnet
from zoo.images import InputBlock, Pixels


def untrained(architecture: ResNetArchitecture, block: InputBlock, seed: int = 0) -> Embedder:
    """The network with fresh weights, at the input of the trained one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_resnet(architecture).eval()
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (block.mean, block.std))

    @torch.inference_mode()
    def embed(images: Pixels) -> Floats:
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        features: Floats = network((x - mean) / std).numpy()
        return features

    identity = f"untrained {architecture.model_dump_json()} seed {seed}"
    return Embedder("untrained", identity, block, embed)


def pixels() -> Embedder:
    """The centre square at 32 x 32 pixels, as 3,072 numbers."""

    def embed(images: Pixels) -> Floats:
        return images.reshape(len(images), -1).astype(np.float32) / 255

    return Embedder("pixels", "pixels", InputBlock(size=32), embed)


def histograms_of_gradients() -> Embedder:
    """HOG (Dalal and Triggs 2005): 64 px, 9 orientations, cells of 8 px, blocks of 2 x 2 cells.

    Of the three colours, the one with the steepest gradient counts at each pixel; 1,764 numbers.
    """

    def embed(images: Pixels) -> Floats:
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

    return Embedder("HOG", "hog 9 8x8 2x2 L2-Hys", InputBlock(size=64), embed)
