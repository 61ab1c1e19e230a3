"""Marks figures of encoders on photos that they were taught with, which flatter them."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from training.evaluation.features import EvaluatedModel
from training.evaluation.results import Accuracy, Difference
from training.evaluation.sets import LabelledSet
from training.evaluation.task import Task
from zoo.package import Package

_OF_IMAGENET = {"ants-bees", "hymenoptera_data", "imagenette", "imagewoof"}
"""Folders and archives of photos of ImageNet that do not have it in their name; the first two are
the ants and bees of PyTorch's tutorial on transfer learning."""


def marked(found: Iterable[Accuracy | Difference], task: Task) -> Iterator[Accuracy | Difference]:
    """The same figures, with a note on those of an encoder that ImageNet taught, on its photos.

    What taught an encoder is read in its package (provenance), or in the description of its run.
    """
    taught = {model.name for model in task.embedders if _taught_by_imagenet(model)}
    if not taught or not _is_of_imagenet(task.data):
        yield from found
        return
    for one in found:
        if isinstance(one, Accuracy) and one.method in taught:
            note = f"photos of ImageNet, which {one.method} was trained on"
            yield one.model_copy(update={"note": "; ".join(filter(None, (one.note, note)))})
        else:
            yield one


def _taught_by_imagenet(model: EvaluatedModel) -> bool:
    if model.source is None:
        return False
    if isinstance(model.source, Package):
        names = [source.name for source in model.source.manifest.provenance.sources]
    else:
        names = [str(source["name"]) for source in model.source.described.get("sources", ())]
    return any(_is_imagenet(name) for name in names)


def _is_of_imagenet(data: LabelledSet) -> bool:
    chosen = data.subset.select(data.entries)
    folders = {part for entry in chosen for part in PurePosixPath(entry.path).parts[:-1]}
    names = {*folders, *data.name.split("/")}
    return any(_is_imagenet(name) or name in _OF_IMAGENET for name in names)


def _is_imagenet(name: str) -> bool:
    return "imagenet" in name.casefold()
