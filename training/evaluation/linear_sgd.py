"""Linear evaluation by SGD, as SimCLR trains it (arXiv:2002.05709, appendix B.6).

Nesterov momentum 0.9, learning rate 0.1 * batch / 256 on a cosine to zero, 90 epochs, no weight
decay and no warm-up. It runs on features that are computed once, so without the paper's random
crops of the training images.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training.evaluation.linear import Linear
from training.optimizers import cosine_with_warmup
from zoo.arrays import Labels, Vectors

EPOCHS, BATCH, RATE, MOMENTUM = 90, 256, 0.1, 0.9


def fit_linear_sgd(
    features: Vectors,
    labels: Labels,
    seed: int = 0,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Linear:
    """A classifier of features (n, d) with labels (n,), class numbers from 0.

    Features are centred and scaled to a mean square of 1, as the learning rate is for the
    paper's, which are not of unit length. A batch is at most an eighth of the images.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(np.ascontiguousarray(features, np.float32)).to(device)
    y = torch.from_numpy(labels).to(device)
    mean = x.mean(dim=0)
    scale = (x - mean).square().mean().sqrt().clamp(min=1e-12)
    x = (x - mean) / scale
    layer = nn.Linear(x.shape[1], int(labels.max()) + 1, device=device)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    batch = min(batch, max(1, len(x) // 8))
    peak = RATE * batch / 256
    optimizer = torch.optim.SGD(layer.parameters(), peak, MOMENTUM, nesterov=True)
    rng, per_epoch = np.random.default_rng(seed), len(x) // batch
    for epoch in range(epochs):
        order = torch.from_numpy(rng.permutation(len(x))).to(device)
        for number in range(per_epoch):
            step = epoch * per_epoch + number
            optimizer.param_groups[0]["lr"] = peak * cosine_with_warmup(step, 0, epochs * per_epoch)
            rows = order[number * batch : (number + 1) * batch]
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(layer(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if progress:
            progress(epoch + 1, epochs)
    with torch.no_grad():
        weights = layer.weight.T / scale
        bias = layer.bias - mean @ weights
    return Linear(weights.cpu().numpy(), bias.cpu().numpy())
