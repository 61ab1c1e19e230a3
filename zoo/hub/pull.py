"""`hf/ORG/REPO` -> a package: the ONNX file there, imported as it is."""

import json
from pathlib import PurePosixPath
from typing import Any

from zoo.download import TransferProgress
from zoo.errors import ImportRefusedError
from zoo.hub.download import Download, Wanted, pull_repository
from zoo.hub.fetch import fetch
from zoo.hub.layout import choose_file, embedding_of
from zoo.importing import Origin, Said, import_onnx
from zoo.importing.file import external_files
from zoo.importing.preprocessor import CONFIGS
from zoo.package import Package
from zoo.runtimes.onnx import check_installed

_CONFIG = "config.json"


def pull_onnx(wanted: Wanted, progress: TransferProgress) -> Package:
    """Import the ONNX file of a repository, prepared as its `preprocessor_config.json` says.

    Where the embedding is not named, the network's type says what it is.

    Raises:
        ImportRefusedError: there is no ONNX file, not one alone, or it is no image encoder.
        ZooError: as `pull_repository`.
    """
    check_installed()

    def make(download: Download, name: str, version: str) -> Package:
        path = choose_file(download.repository, wanted.file)
        file = download.get(path)
        for beside in external_files(file):
            other = str(PurePosixPath(path).parent / beside)
            if other not in download.repository.files:
                raise ImportRefusedError(
                    f"{file}: its weights lie in {other}, which {download.repository.address} "
                    "does not have: ask its publisher"
                )
            download.get(other)
        for config in CONFIGS:
            if config in download.repository.files:
                # Beside the file, where it is looked for.
                download.get(config).rename(file.parent / config)
                break
        content = _config(download)
        kind = content.get("model_type")
        output, pool = wanted.output, None
        if output is None:
            output, pool = embedding_of(file, content)
        said = Said(output=output, pool=wanted.pool or pool)
        return import_onnx(file, name, version, said, _origin(download, kind))

    return pull_repository(wanted, make, progress)


def _config(download: Download) -> dict[str, Any]:
    if _CONFIG not in download.repository.files:
        return {}
    try:
        # Not what it is made of: it may change in ways that change no embedding.
        file, _ = fetch(download.repository, _CONFIG, download.folder, download.progress)
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _origin(download: Download, kind: Any) -> Origin:
    """What the hub says of it; and where to read the rest."""
    repository = download.repository
    data = repository.card.get("datasets") or "unstated"
    return Origin(
        method=kind if isinstance(kind, str) else "imported",
        trained_on=", ".join(map(str, data)) if isinstance(data, list) else str(data),
        weights_licence=download.licence,
        citation=f"https://huggingface.co/{repository.repo}/tree/{repository.commit}",
        files=tuple(download.sources),
    )
