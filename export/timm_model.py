"""A network of timm's, with the weights that the hub has of it -> a package, proven against it."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from zoo.arrays import Pixels, Vectors
from zoo.download import TransferProgress
from zoo.errors import CheckpointError, UnknownModelError
from zoo.graphs.rewrite import OPSET
from zoo.hub.download import Download, Wanted, pull_repository
from zoo.hub.repository import parse_address
from zoo.importing import Origin, Said, import_onnx
from zoo.importing.rule import Rule
from zoo.package import Package

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_INTERPOLATIONS = ("bilinear", "bicubic")


def pull_timm(
    address: str,
    name: str | None,
    version: str,
    accept_licence: bool,
    offline: bool,
    progress: TransferProgress,
) -> Package:
    """Make the package of `timm/NAME`, with timm's architecture and preprocessing.

    Its embedding is what timm gives without a classifier. It is compared with PyTorch.

    Raises:
        UnknownModelError: timm does not know it.
        CheckpointError: the weights are not those of the network, or it cannot be exported.
        ZooError: as `pull_repository`.
    """
    wanted = Wanted(
        *_repository(address),
        name=name,
        version=version,
        accept_licence=accept_licence,
        offline=offline,
    )

    def make(download: Download, name: str, version: str) -> Package:
        for path in (_CONFIG, _WEIGHTS):
            if path not in download.repository.files:
                raise UnknownModelError(
                    f"{download.repository.address} has no {path}, so it is none of timm's models"
                )
        config = _read_config(download)
        weights = download.get(_WEIGHTS)
        model = _model(address, config, weights)
        said = _said(address, model)
        file = weights.with_name("timm.onnx")
        _export(address, model, said, file)
        origin = Origin(
            method="timm",
            trained_on="see its card",
            terms="see its card",
            code_licence="Apache-2.0 (timm)",
            weights_licence=download.licence,
            citation=(
                f"https://huggingface.co/{download.repository.repo}/tree/"
                f"{download.repository.commit}"
            ),
            files=tuple(download.sources),
        )
        return import_onnx(file, name, version, said, origin, _embedder(model))

    return pull_repository(wanted, make, progress)


def _repository(address: str) -> tuple[str, str]:
    """Of a name without a tag, the repository of timm's default weights."""
    repo, revision = parse_address(f"hf/{address}")
    known = get_pretrained_cfg(repo.removeprefix("timm/"))
    found: str | None = known.hf_hub_id if known else None
    return (found if found and found.startswith("timm/") else repo), revision


def _read_config(download: Download) -> dict[str, Any]:
    path = download.get(_CONFIG)
    try:
        config = json.loads(path.read_bytes())
        known = isinstance(config["pretrained_cfg"], dict) and timm.is_model(config["architecture"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnknownModelError(
            f"{download.repository.address}/{_CONFIG}: not as timm writes it"
        ) from None
    if not known:
        raise UnknownModelError(
            f"{download.repository.address} is a {config['architecture']}, which timm "
            f"{timm.__version__} does not know: pip install -U timm"
        )
    result: dict[str, Any] = config
    return result


def _model(address: str, config: dict[str, Any], weights: Path) -> Any:
    """The network without its classifier; with it, every tensor of the file must fit."""
    described = config["pretrained_cfg"]
    pretrained = described | {
        "num_classes": config.get("num_classes", described.get("num_classes", 1000)),
        "file": str(weights),
        "source": "file",
        "hf_hub_id": None,
        "url": "",
        "custom_load": False,
    }
    try:
        model: Any = timm.create_model(
            config["architecture"],
            pretrained=True,
            pretrained_cfg=pretrained,
            **config.get("model_args", {}),
        )
    except Exception as error:  # timm and its networks raise whatever they meet
        raise CheckpointError(f"{address}: timm refuses its weights: {_line(error)}") from None
    model.reset_classifier(0)
    model.eval()
    return model


def _said(address: str, model: nn.Module) -> Said:
    found: dict[str, Any] = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    mean, std = (tuple(map(float, found[name])) for name in ("mean", "std"))
    channels, height, width = found["input_size"]
    interpolation, mode = found["interpolation"], found["crop_mode"]
    if channels != 3 or height != width or len(mean) != 3 or len(std) != 3:
        raise CheckpointError(
            f"{address} takes {width} x {height} pixels of {channels} values, and only squares of "
            "3 colours are made"
        )
    if interpolation not in _INTERPOLATIONS or mode not in ("center", "squash"):
        raise CheckpointError(
            f"{address} scales photos by {interpolation} and {mode}, which is not done here"
        )
    return Said(
        size=height,
        range="0-1",
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        layout="nchw",
        crop=float(found["crop_pct"]),
        squash=mode == "squash",
        interpolation=interpolation,
    )


def _export(address: str, model: nn.Module, said: Said, path: Path) -> None:
    size = said.size or 0
    example = torch.zeros(2, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                input_names=["pixel_values"],
                output_names=["embedding"],
                dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
                opset_version=OPSET,
                verbose=False,
            )
        except Exception as error:  # whatever a network does that cannot be exported
            raise CheckpointError(f"{address} cannot be exported: {_line(error)}") from None
    assert program is not None
    program.save(path, external_data=True)  # a graph alone may not exceed 2 GB


def _embedder(model: nn.Module) -> Any:
    @torch.no_grad()
    def embed(images: Pixels, rule: Rule) -> Vectors:
        values = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (rule.block.mean, rule.block.std))
        output: Tensor = model((values - mean) / std)
        found: Vectors = output.numpy()
        return found

    return embed


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
