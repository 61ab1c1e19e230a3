"""Parts that end in every way, and training that is stopped in the middle of its minutes."""

import os
import signal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.gpu.work import Work

if TYPE_CHECKING:  # PyTorch
    from training.journal import Step


def measures(work: Work) -> None:
    work.record("in its bounds", 1.0, "s", 0.0, least=0.5, most=1.5)


def is_out_of_bounds(work: Work) -> None:
    work.record("above", 2.0, "s", 0.0, most=1.5)
    work.record("not a number", float("nan"), "", 0.0, least=0.5)


def raises(work: Work) -> None:
    raise RuntimeError("out of\nmemory")


def dies(work: Work) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def lacks_a_module(work: Work) -> None:
    import no_such_library  # type: ignore[import-not-found] # noqa: F401, PLC0415


def never_ends(work: Work) -> None:
    while True:
        signal.pause()


def is_stopped(work: Work) -> None:
    """SimCLR, sent SIGTERM at its second step."""
    from benchmarks.gpu.parts import pretraining  # noqa: PLC0415 - PyTorch

    train: Any = vars(pretraining)["train"]

    def stopped(recipe: Any, sources: Any, run: Any, report: Any, *others: Any) -> bool:
        def watched(step: "Step") -> None:
            report(step)
            if step.step == 2:
                signal.raise_signal(signal.SIGTERM)

        return train(recipe, sources, run, watched, *others)

    with patch.object(pretraining, "train", stopped):
        pretraining.simclr_cifar10(work)


def differs(work: Work) -> None:
    """A device whose views are darker and whose gradients are longer than the CPU's."""
    from benchmarks.gpu.parts import agreement  # noqa: PLC0415
    from training.methods import METHODS  # noqa: PLC0415

    views, gradient = agreement._views, agreement._gradient
    calls = []

    def darker(*given: Any) -> Any:
        calls.append(given)
        found = views(*given)
        dark = {key: x - 0.01 if x.is_floating_point() else x for key, x in found.items()}
        return found if len(calls) % 2 else dark

    def longer(*given: Any) -> Any:
        calls.append(given)
        loss, found = gradient(*given)
        return loss, found if len(calls) % 5 == 3 else found * 1.1

    with (
        patch.object(agreement, "_views", darker),
        patch.object(agreement, "_gradient", longer),
        patch.object(agreement, "METHODS", {"cpc": METHODS["cpc"]}),
    ):
        agreement.run(work)
