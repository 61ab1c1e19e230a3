"""The encoder as it is served: uint8 pixels in, the layer's representation out."""

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo.architectures import Architecture, OnnxGraph
from zoo.encoders.build import build_encoder
from zoo.encoders.resnet import STAGES
from zoo.errors import PackageError
from zoo.images import InputBlock
from zoo.manifest import Layer, OutputLayer
from zoo.package import Package


class ServedEncoder(nn.Module):
    """uint8 (n, size, size, 3) RGB -> float32 (n, dim), not yet unit length.

    Normalisation and the layer's steps are part of it, so that the exported graph holds them.
    """

    def __init__(
        self, architecture: Architecture, layer: Layer, block: InputBlock, dim: int
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(architecture)
        self.encoder.drop_stages_after(max(layer.stages, key=STAGES.index))
        self.layer, self.block = layer, block
        width = self.encoder.pooled_dim(layer.stages, layer.grid)
        if dim != width and "whiten" not in layer.steps:
            raise PackageError(f"layer {layer.stages} has {width} values, the manifest says {dim}")
        self.representation = nn.Module()
        if "centre" in layer.steps:
            self.representation.register_buffer("mean", torch.zeros(width))
        if "whiten" in layer.steps:
            self.representation.register_buffer("whitening", torch.zeros(width, dim))

    def forward(self, images: Tensor) -> Tensor:
        """The representation of a batch."""
        return self.finish(self.combine(self.pool(images)))

    def pool(self, images: Tensor) -> list[Tensor]:
        """Outputs of the layer's stages, averaged over its grid, (n, width of the part) each."""
        x = images.permute(0, 3, 1, 2).float() / 255
        if self.block.mean != (0.0, 0.0, 0.0) or self.block.std != (1.0, 1.0, 1.0):
            mean = torch.tensor(self.block.mean, device=x.device)[:, None, None]
            std = torch.tensor(self.block.std, device=x.device)[:, None, None]
            x = (x - mean) / std
        return self.encoder.pooled(x, self.layer.stages, self.layer.grid)

    def combine(self, parts: list[Tensor]) -> Tensor:
        """Stages side by side after the steps that need no statistics, (n, width)."""
        if "sqrt" in self.layer.steps:
            parts = [part.sqrt() for part in parts]
        if "unit" in self.layer.steps:
            parts = [part / part.norm(dim=1, keepdim=True).clamp(min=1e-12) for part in parts]
        return torch.cat(parts, dim=1)

    def finish(self, features: Tensor) -> Tensor:
        """The steps that hold statistics of their own: centre, whiten."""
        if "centre" in self.layer.steps:
            features = features - self.representation.get_buffer("mean")
        if "whiten" in self.layer.steps:
            features = features @ self.representation.get_buffer("whitening")
        return features


def load_served(package: Package) -> ServedEncoder:
    """A package's encoder in PyTorch, float32, in evaluation mode: the reference of all variants.

    Raises:
        PackageError: a tensor is missing, left over, or of another shape; or the package is an
            imported graph, of which there is no network.
    """
    manifest = package.manifest
    architecture, layer = manifest.architecture, manifest.layer
    if isinstance(architecture, OnnxGraph) or isinstance(layer, OutputLayer):
        raise PackageError(
            f"{manifest.reference} was imported as an ONNX graph, of which there is no network in "
            "PyTorch: it is served and measured as it is, and cannot be trained on or lowered"
        )
    served = ServedEncoder(architecture, layer, manifest.input, manifest.dim)
    load_weights(served, load_file(package.weights), str(package.weights))
    return served.eval()


def load_weights(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Fill a module, every parameter from a tensor and no tensor left over.

    float32 tensors become the module's own, without a copy: at width 4 one would be 1.5 GB.

    Raises:
        PackageError: names which tensor is missing, left over or of another shape.
    """
    wanted = {
        name: value
        for name, value in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    if missing := sorted(wanted.keys() - tensors.keys()):
        raise PackageError(
            f"{origin}: the tensor {missing[0]!r} is missing ({len(missing)} in all)"
        )
    if extra := sorted(tensors.keys() - wanted.keys()):
        raise PackageError(f"{origin}: the tensor {extra[0]!r} belongs to no part of the network")
    for name, value in wanted.items():
        if value.shape != tensors[name].shape:
            raise PackageError(
                f"{origin}: {name!r} has shape {(*tensors[name].shape,)}, the network wants "
                f"{(*value.shape,)}"
            )
    floats = {name: tensor.float() for name, tensor in tensors.items()}
    module.load_state_dict(floats, strict=False, assign=True)
