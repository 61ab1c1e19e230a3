"""torchvision's data sets as sources, such as `torchvision:CIFAR10:/data`, already downloaded."""

import inspect
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sources import DataError, Entry, Kind, Listing, register

_PREFIX = "torchvision:"
_SPLITS = ("train", "val", "test")


def is_torchvision(source: Path) -> bool:
    """Whether the source is named as one of torchvision's data sets."""
    return str(source).startswith(_PREFIX)


def set_name(source: Path) -> str:
    """The data set's name, such as CIFAR10."""
    return _parsed(source)[0]


def set_root(source: Path) -> Path:
    """The folder it was downloaded to."""
    return _parsed(source)[1]


def set_files(source: Path, _: list[Entry]) -> list[Path]:
    """The files at the top of that folder."""
    return sorted(set_root(source).iterdir())


def list_set(source: Path, split: str | None) -> Listing:
    """An entry an image, its path the split and its number in it; of all splits without `split`.

    Raises:
        DataError: there is no such data set, it gives no image and label, or it is not in the
            folder.
    """
    entries = []
    for name in _SPLITS if split is None else (split,):
        images = _dataset(source, name)
        if images is not None:
            labels = _labels(images)
            entries += [Entry(f"{name}/{i:09d}", label, name) for i, label in enumerate(labels)]
    return Listing(entries, [])


def read_set(source: Path, entries: list[Entry]) -> Iterator[tuple[int, bytes]]:
    """Each entry's image, as PPM, with its position in `entries`; no bytes if it cannot be read."""
    datasets = {split: _dataset(source, split) for split in {entry.split for entry in entries}}
    for index, entry in enumerate(entries):
        buffer = io.BytesIO()
        try:
            image, _ = datasets[entry.split][int(entry.path.rpartition("/")[2])]
            image.convert("RGB").save(buffer, "PPM")
        except OSError:
            yield index, b""
        else:
            yield index, buffer.getvalue()


register(Kind("torchvision", is_torchvision, list_set, read_set, files=set_files, title=set_name))


def _parsed(source: Path) -> tuple[str, Path]:
    name, _, root = str(source).removeprefix(_PREFIX).partition(":")
    if not name or not root:
        raise DataError(f"{source}: write it as torchvision:NAME:FOLDER, torchvision:CIFAR10:data")
    return name, Path(root).expanduser()


def _dataset(source: Path, split: str) -> Any:
    """One split of the data set; None where it has no such split."""
    name, root = _parsed(source)
    try:
        from torchvision import datasets  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:
        raise DataError(
            f"{source}: torchvision cannot be imported ({error}): install the build of torchvision "
            "that belongs to the installed torch"
        ) from error
    make: Any = getattr(datasets, name, None)
    if not name[:1].isupper() or make is None:
        raise DataError(f"{source}: torchvision has no data set {name!r}")
    takes = inspect.signature(make).parameters
    if "train" in takes:
        if split not in ("train", "test"):
            return None
        chosen: dict[str, Any] = {"train": split == "train"}
    else:
        chosen = {"split": split} if "split" in takes else {}
        if not chosen and split != "train":  # it is not divided
            return None
    try:
        return make(root, **chosen)
    except ValueError:  # what they raise for a split that they do not have
        return None
    except (RuntimeError, OSError, TypeError) as error:
        raise DataError(
            f"{source}: torchvision cannot read {name} there ({error}); download it first"
        ) from error


def _labels(images: Any) -> list[str]:
    """The name of each image's class, without decoding the images where that can be helped."""
    names = list(getattr(images, "classes", []))
    for attribute in ("targets", "labels", "_labels"):
        numbers = getattr(images, attribute, None)
        if numbers is not None and len(numbers) == len(images):
            break
    else:
        numbers = [images[i][1] for i in range(len(images))]
    return [
        str(names[int(n)]) if 0 <= int(n) < len(names) else str(int(n)) if int(n) >= 0 else ""
        for n in numbers
    ]
