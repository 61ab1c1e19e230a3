"""What is evaluated: a training run or a package, as an embedder and as a network to train on."""

import hashlib

import numpy as np
import torch

from training.evaluation.features import EvaluatedModel
from training.recipe import Recipe
from zoo.arrays import Pixels, Vectors
from zoo.encoders import Run, ServedEncoder, encoder_from_run, load_served
from zoo.images import InputBlock
from zoo.manifest import Layer
from zoo.package import Package
from zoo.runtimes import open_runtime


def embedder_of(source: Run | Package) -> EvaluatedModel:
    """A run's or a package's encoder as an embedder."""
    return run_embedder(source) if isinstance(source, Run) else package_embedder(source)


def run_embedder(run: Run) -> EvaluatedModel:
    """A run's encoder as it was trained: h, from images at the last view size.

    Raises:
        PackageError: the checkpoint does not fit the recipe beside it.
    """
    network = load_network(run).to(device())

    @torch.inference_mode()
    def embed(images: Pixels) -> Vectors:
        features: Vectors = network(torch.from_numpy(images).to(device())).cpu().numpy()
        return features

    digest = hashlib.sha256()
    for name, tensor in sorted(run.part("encoder").items()):
        digest.update(name.encode() + np.ascontiguousarray(tensor.numpy()).tobytes())
    identity = f"run {digest.hexdigest()}"
    return EvaluatedModel(run.folder.resolve().name, identity, network.block, embed, run)


def package_embedder(package: Package) -> EvaluatedModel:
    """A package as the gateway runs it, proven on its golden vectors."""
    runtime, manifest = open_runtime(package), package.manifest
    identity = f"{manifest.space} {runtime.variant}"
    return EvaluatedModel(manifest.reference, identity, manifest.input, runtime.embed, package)


def load_network(source: Run | Package) -> ServedEncoder:
    """A copy of the network with its trained weights, on the CPU, in evaluation mode."""
    if isinstance(source, Package):
        return load_served(source)
    encoder = encoder_from_run(source)
    block = InputBlock(size=recipe_of(source).view_size(1, 1))
    last = Layer(stages=(encoder.architecture.last_stage,))
    served = ServedEncoder(encoder.architecture, last, block, encoder.dim)
    served.encoder = encoder
    return served.eval()


def recipe_of(run: Run) -> Recipe:
    """The recipe that a run was trained by."""
    return Recipe.model_validate(run.described["recipe"])


def device() -> torch.device:
    """Where networks run: a GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
