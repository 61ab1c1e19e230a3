"""Which ONNX file of a repository is the encoder, and which of its outputs is the embedding."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx

from zoo.errors import ImportRefusedError
from zoo.hub.repository import Repository
from zoo.manifest import Pool

_PREFERRED = (
    "onnx/vision_model.onnx",
    "vision_model.onnx",
    "onnx/model.onnx",
    "model.onnx",
)
"""The image tower of CLIP or SigLIP alone comes before both towers."""

_TOKENS = "last_hidden_state"
_OUTPUTS = ("image_embeds", "pooler_output", _TOKENS)

_CLASS_TOKEN = {"deit", "dinov2", "dinov2_with_registers", "vit", "vit_mae", "vit_msn"}
"""Types whose first token is served: in many checkpoints their pooler was never trained."""

_MEAN = {"hiera", "ijepa", "poolformer", "swin", "swinv2"}
"""Types without a class token."""


def choose_file(repository: Repository, wanted: str | None) -> str:
    """The path of the ONNX file.

    Raises:
        ImportRefusedError: there is none, not the wanted one, or several to choose from.
    """
    found = sorted(path for path in repository.files if path.endswith(".onnx"))
    listed = _listed(found)
    if not found:
        raise ImportRefusedError(_none(repository))
    if wanted is not None:
        if wanted not in found:
            raise ImportRefusedError(f"{repository.address} has no {wanted}; it has {listed}")
        return wanted
    for path in _PREFERRED:
        if path in found:
            return path
    if len(found) > 1:
        raise ImportRefusedError(
            f"{repository.address} has several ONNX files: choose with --file {listed}"
        )
    return found[0]


def embedding_of(path: Path, config: Any) -> tuple[str | None, Pool | None]:
    """The output that is the embedding, and how it becomes one row; None where neither is known.

    Args:
        config: the content of the repository's `config.json`.
    """
    outputs = {value.name for value in onnx.load(path, load_external_data=False).graph.output}
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind in _CLASS_TOKEN and _TOKENS in outputs:
        return _TOKENS, "cls"
    for name in _OUTPUTS:
        if name in outputs:
            return name, "mean" if name == _TOKENS and kind in _MEAN else None
    return None, None


def _none(repository: Repository) -> str:
    if repository.repo.startswith("timm/"):
        return f"{repository.address} has no ONNX file: zoo pull {repository.repo} makes one of it"
    return (
        f"{repository.address} has no ONNX file: look for a repository that has one, such as of "
        "onnx-community, or export it and `zoo import` the file"
    )


def _listed(paths: Iterable[str]) -> str:
    paths = list(paths)
    more = f" and {len(paths) - 20} more" if len(paths) > 20 else ""
    return ", ".join(paths[:20]) + more
