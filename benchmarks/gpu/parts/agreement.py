"""Views, losses and gradients of every method: does the GPU compute what the CPU does?

In float32 without TF32. The loss and its gradient are those of the same views, the CPU's; the last
figure is that of the recipe's own precision.
"""

import copy
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gpu.parts.toy import small
from benchmarks.gpu.results import Settings
from benchmarks.gpu.work import Work
from benchmarks.peers import photo_crops
from sources import Entry
from training.data import Packed
from training.loop import build
from training.methods import METHODS, AnyMethod, Batch
from training.methods.distil import DistilSettings
from training.methods.method import named, unnamed
from training.parts import seed_draws
from training.precision import usable
from training.recipe import Recipe, load_recipe, recipe_names
from zoo.store import builtin_package

_IMAGES = 64
_LEVEL = 1 / 255


def run(work: Work) -> None:
    """Compare each method by the recipe that has it for the smallest images."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    by_size = sorted(map(load_recipe, recipe_names()), key=lambda r: -r.stored_side)
    recipes = {recipe.method.name: recipe for recipe in by_size}
    for name in sorted(METHODS):
        began = time.perf_counter()
        if work.measured(f"{name}, gradient in the recipe's precision"):
            continue
        try:
            if name not in recipes:
                raise LookupError(f"no recipe has the method {name!r}")
            recipe = recipes[name]
            compare(work, small(recipe) if work.toy else recipe)
        except Exception as error:  # the other methods go on
            work.failed(name, error, began)


def compare(work: Work, recipe: Recipe) -> None:
    """Record how far the device is from the CPU."""
    n, began = min(recipe.batch, _IMAGES), time.perf_counter()
    recipe = recipe.model_copy(update={"batch": n, "microbatch": None})
    name = recipe.method.name
    settings: Settings = {"recipe": recipe.name, "images": n}
    if isinstance(recipe.method, DistilSettings):  # any teacher will do, and this one is there
        taught = recipe.method.model_copy(update={"teacher": builtin_package().manifest.reference})
        recipe = recipe.model_copy(update={"method": taught})
    method, _ = build(recipe, recipe.setup(images=1 << 13))
    pixels = photo_crops(n, recipe.stored_side)
    source = Packed("photos", pixels, [Entry(f"{i}", "", "") for i in range(n)], {})
    method.before_run(work.folder, [source])
    other = copy.deepcopy(method).to(work.device)
    views = _views(method, recipe, "cpu")
    found = _views(other, recipe, work.device)
    share = max(_share_apart(views[key], found[key].cpu()) for key in views)
    work.record(
        f"{name}, values of the views that are a level apart",
        100 * share, "%", began, settings, most=0.1,
    )  # fmt: skip
    began = time.perf_counter()
    loss, gradient = _gradient(method, views, "cpu")
    loss_there, gradient_there = _gradient(other, views, work.device)
    work.record(f"{name}, loss", abs(loss_there / loss - 1), "relative", began, settings, most=1e-3)
    apart = (gradient_there - gradient).norm() / gradient.norm()
    work.record(f"{name}, gradient", float(apart), "relative", began, settings, most=0.02)
    began, precision = time.perf_counter(), usable(recipe.precision)
    _, lower = _gradient(other, views, work.device, precision == "bf16-mixed")
    cosine = float(F.cosine_similarity(lower, gradient, dim=0))
    work.record(
        f"{name}, gradient in the recipe's precision",
        cosine, "cosine", began, {**settings, "precision": precision}, least=0.9,
    )  # fmt: skip


def _views(method: AnyMethod, recipe: Recipe, device: str) -> dict[str, Tensor]:
    """What the method makes of the same photos and draws, on a device."""
    images = torch.from_numpy(photo_crops(recipe.batch, recipe.stored_side)).to(device)
    index = torch.arange(len(images), device=device)
    generator = torch.Generator().manual_seed(0)
    size = recipe.view_size(0, 1)
    seed_draws(0)
    batch = Batch(images, index, torch.full_like(index, -1), 0, size, generator)
    return named(method.views(batch))


def _share_apart(one: Tensor, other: Tensor) -> float:
    """The share of values that are apart by a level of 255, or at all where they are whole."""
    if one.shape != other.shape:
        return 1.0
    least = _LEVEL if one.is_floating_point() else 0
    near = (one - other).abs() <= least  # so that NaN is apart
    return float((~near).double().mean())


def _gradient(
    method: AnyMethod, views: dict[str, Tensor], device: str, bfloat16: bool = False
) -> tuple[float, Tensor]:
    """The loss of some views, and its gradient as one vector on the CPU."""
    given = unnamed({key: view.to(device) for key, view in views.items()})
    method.train()
    method.zero_grad(set_to_none=True)
    seed_draws(0)
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
        outputs = method.embed(given)
        loss = method.loss(outputs)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad.flatten() for p in method.parameters() if p.grad is not None]
    return float(loss.detach()), torch.cat(gradients).float().cpu()
