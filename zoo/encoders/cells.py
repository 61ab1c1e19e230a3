"""Averages over the cells of a raster."""

import torch
from torch import Tensor


def average_cells(maps: Tensor, grid: int) -> Tensor:
    """(n, c, h, w) -> (n, c * grid**2), cells as in `adaptive_avg_pool2d`.

    As two products with constants: that operator has no counterpart in ONNX where the side is no
    multiple of the grid.
    """
    if grid == 1:
        return maps.mean(dim=(2, 3))
    rows, columns = (_cells(side, grid).to(maps) for side in maps.shape[2:])
    return (rows @ maps @ columns.T).flatten(1)


def _cells(side: int, grid: int) -> Tensor:
    """(grid, side): each row averages the samples that its cell touches."""
    edges = [(i * side // grid, -(-(i + 1) * side // grid)) for i in range(grid)]
    return torch.tensor(
        [[(start <= at < end) / (end - start) for at in range(side)] for start, end in edges]
    )
