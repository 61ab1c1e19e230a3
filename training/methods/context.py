"""CPC's context network: a summary of what lies above each cell of a grid."""

import torch
from torch import Tensor, nn


class ContextNetwork(nn.Module):
    """(n, dim, rows, columns) -> the same shape; a row sees itself and the rows above it.

    Masked residual convolutions (arXiv:1905.09272, appendix A.1).
    """

    def __init__(self, dim: int, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_branch(dim, width) for _ in range(blocks))

    def forward(self, grid: Tensor) -> Tensor:
        """The context of every cell."""
        for block in self.blocks:
            grid = grid + block(grid)
        return torch.relu(grid)


def _branch(dim: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(dim, width, 1),
        nn.ReLU(),
        nn.Conv2d(width, width, (1, 3), padding=(0, 1)),
        nn.ZeroPad2d((0, 0, 1, 0)),  # a row on top, so that no row sees the one below
        nn.Conv2d(width, width, (2, 1)),
        nn.ReLU(),
        nn.Conv2d(width, dim, 1),
    )
