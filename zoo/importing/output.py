"""Which output of a graph is the embedding, and how it becomes one row an image."""

from difflib import get_close_matches

import onnx

from zoo.errors import ImportRefusedError
from zoo.graphs.prune import prune
from zoo.graphs.serve import Layout
from zoo.importing.rule import Said, extents
from zoo.manifest import Pool

_POOL = "--pool cls|mean: of its tokens, the first or the mean"


def choose_output(model: onnx.ModelProto, said: Said, missing: list[str]) -> str | None:
    """The name of the output, to which `model` is pruned; None where the user has to choose.

    It may be any value in the graph, such as what a classifier's last layer reads.

    Raises:
        ImportRefusedError: there is no such value.
    """
    described = ", ".join(f"{value.name} ({extents(value)})" for value in model.graph.output)
    if said.output is None and len(model.graph.output) != 1:
        missing.append(f"--output NAME: it has {described}")
        return None
    name = said.output or model.graph.output[0].name
    try:
        prune(model, name)
    except KeyError:
        inner = [value for node in model.graph.node for value in node.output]
        near = ", ".join(get_close_matches(name, inner, n=3))
        hint = f"; inside it, there is {near}" if near else ""
        raise ImportRefusedError(f"it has no output {name}, but {described}{hint}") from None
    if len(model.graph.output[0].type.tensor_type.shape.dim) == 3 and said.pool is None:
        missing.append(_POOL)
    return name


def pooling(name: str, shape: tuple[int, ...], pool: Pool | None) -> Pool:
    """How an output of `shape` (n, ...) becomes one row an image.

    Raises:
        ImportRefusedError: it cannot, or not in that way.
    """
    described = f"its output {name} is {' x '.join(('n', *map(str, shape[1:])))}"
    if len(shape) == 2:
        fitting: tuple[Pool, ...] = ("none",)
    elif len(shape) == 3:
        fitting = ("cls", "mean")
    elif len(shape) == 4:
        fitting = ("mean",)
    else:
        raise ImportRefusedError(
            f"{described}; an embedding is n x dim, n x tokens x dim, or a feature map: choose "
            "another with --output"
        )
    if pool is None and len(fitting) > 1:
        raise ImportRefusedError(f"{described}; give {_POOL}")
    if pool not in (None, *fitting):
        raise ImportRefusedError(f"{described}, of which --pool can be {' or '.join(fitting)}")
    return pool or fitting[0]


def axes_of(shape: tuple[int, ...], pool: Pool, layout: Layout) -> tuple[int, ...]:
    """The axes of an output that are averaged.

    Where a feature map's cells are follows from it being square; else, from the input's layout.
    """
    if pool != "mean":
        return ()
    if len(shape) == 3:
        return (1,)
    behind = shape[2] == shape[3]  # cells behind channels, n x dim x h x w
    before = shape[1] == shape[2]
    nchw = layout == "nchw" if behind == before else behind
    return (2, 3) if nchw else (1, 2)
