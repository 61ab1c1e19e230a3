"""SimCLR's random views (arXiv:2002.05709, appendix A), drawn per image and applied per batch."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from training.augment.boxes import Boxes, random_crops
from training.augment.chunks import in_chunks
from training.augment.draws import uniform
from training.augment.geometry import Taps, apply_separable, resize_taps
from training.augment.operators import Batch, apply_drawn, apply_operators, draw_operators
from training.augment.settings import Augmentation, OperatorName

_AFTER_CROP: tuple[OperatorName, ...] = ("jitter", "grey", "blur")


def random_pair(images: Tensor, augmentation: Augmentation, generator: Generator) -> Tensor:
    """Two random views of each image: all first views and then all second ones.

    With `branches="one"` the first view is a random crop, and the second is the same crop after
    the named operators.

    Args:
        images: uint8 (n, h, w, 3), on any device.
        generator: a CPU generator.

    Returns:
        float32 (2n, 3, size, size) in 0-1, on the images' device.
    """
    if augmentation.branches == "one" and augmentation.operators is not None:
        first = _resized(images, _drawn_crops(images, augmentation, generator), augmentation)
        second = apply_operators(first.clone(), augmentation.operators, augmentation, generator)
        return torch.cat([first, second])
    return torch.cat([random_views(images, augmentation, generator) for _ in range(2)])


def random_views(images: Tensor, augmentation: Augmentation, generator: Generator) -> Tensor:
    """One random view of each image: SimCLR's, or the named operators on the resized image.

    Args:
        images: uint8 (n, h, w, 3), on any device.
        generator: a CPU generator.

    Returns:
        float32 (n, 3, size, size) in 0-1, on the images' device.
    """
    if augmentation.operators is None:
        geometry, names = _drawn_geometry(images, augmentation, generator), _AFTER_CROP
    else:
        geometry, names = _whole(images), augmentation.operators
    n, side = len(images), augmentation.size
    drawn = draw_operators(names, Batch(n, side, augmentation, generator))
    views = torch.empty(n, 3, side, side, device=images.device)

    def fill(rows: slice) -> None:
        part = _resized(images[rows], geometry.of(rows), augmentation)
        views[rows] = apply_drawn(part, drawn, rows)

    in_chunks(views, fill)
    return views


@dataclass(frozen=True)
class _Geometry:
    """Of each image: the box that is cut out, whether it is mirrored, and the share of the
    resolution that is left (all of it where None); on the CPU.
    """

    boxes: Boxes
    mirrored: Tensor | None = None
    share: Tensor | None = None

    def of(self, rows: slice) -> "_Geometry":
        top, left, h, w = (x[rows] for x in self.boxes)
        return _Geometry(
            (top, left, h, w),
            None if self.mirrored is None else self.mirrored[rows],
            None if self.share is None else self.share[rows],
        )


def _drawn_geometry(images: Tensor, a: Augmentation, generator: Generator) -> _Geometry:
    n = len(images)
    boxes = _drawn_crops(images, a, generator).boxes
    mirrored = uniform(n, generator=generator) < a.flip
    share = a.lowest + (1 - a.lowest) * uniform(n, generator=generator)
    lossy = uniform(n, generator=generator) < a.low_resolution
    left = torch.where(lossy, share, torch.ones_like(share))
    return _Geometry(boxes, mirrored, left if a.low_resolution > 0 else None)


def _drawn_crops(images: Tensor, a: Augmentation, generator: Generator) -> _Geometry:
    n, height, width, _ = images.shape
    return _Geometry(random_crops(n, height, width, a.area, a.aspect, generator))


def _whole(images: Tensor) -> _Geometry:
    n, height, width, _ = images.shape
    start = torch.zeros(n, dtype=torch.int64)
    return _Geometry((start, start, torch.full((n,), height), torch.full((n,), width)))


def _resized(images: Tensor, geometry: _Geometry, a: Augmentation) -> Tensor:
    """Crop and flip as one pair of maps, of the pixels that any box holds, and loss of resolution
    as two more.
    """
    device = images.device
    top, left, h, w = geometry.boxes
    rows, vertical = _maps(top, h, a.size, device)
    columns, horizontal = _maps(left, w, a.size, device, geometry.mirrored)
    rows = Taps(rows.source, rows.weight / 255)
    views = apply_separable(images[:, vertical, horizontal].float(), rows, columns).clamp_(0, 1)
    if geometry.share is not None and len(lossy := (geometry.share < 1).nonzero()[:, 0]):
        index = lossy.to(device)
        part = _with_less_resolution(views.index_select(0, index), geometry.share[lossy])
        views.index_copy_(0, index, part)
    return views


def _maps(
    start: Tensor, length: Tensor, size: int, device: torch.device, mirrored: Tensor | None = None
) -> tuple[Taps, slice]:
    """The maps of an axis, and the samples of it that they read."""
    first, end = int(start.min()), int((start + length).max())
    maps = resize_taps(start - first, length, size, mirrored=mirrored, device=device)
    return maps, slice(first, end)


def _with_less_resolution(views: Tensor, share: Tensor) -> Tensor:
    """Views (n, 3, size, size) reduced to `share` (n,) of their side and enlarged again."""
    n, channels, size, _ = views.shape
    kept = (share * size).round().long().clamp(min=2).repeat_interleave(channels)
    start, whole = torch.zeros_like(kept), torch.full_like(kept, size)
    planes = views.reshape(n * channels, size, size, 1)
    down = resize_taps(start, whole, kept, "bilinear", device=views.device)
    up = resize_taps(start, kept, size, "bilinear", device=views.device)
    small = apply_separable(planes, down, down)
    return apply_separable(small[:, 0, :, :, None], up, up).view_as(views)
