"""The table of parts, in the order in which they run: the short ones first.

A further part is a module beside the others, whose function takes a `Work`, and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from benchmarks.gpu.work import Work


@dataclass(frozen=True)
class Part:
    """name: on the command line and in the results. about: what it finds out, in a line.

    function: `module:function`, imported where it runs.
    """

    name: str
    about: str
    function: str

    def run(self, work: Work) -> None:
        """Measure, and record what is found.

        Raises:
            SkippedError: something is missing. PausedError: it goes on in the next call.
        """
        run: Callable[[Work], None] = getattr(
            import_module(self.module), self.function.partition(":")[2]
        )
        run(work)

    @property
    def module(self) -> str:
        """Where its function is."""
        return self.function.partition(":")[0]


_HERE = "benchmarks.gpu.parts"

PARTS = (
    Part("agreement", "views, losses and gradients of every method, CPU against GPU",
         f"{_HERE}.agreement:run"),
    Part("throughput", "SimCLR at 64 px against the encoder alone", f"{_HERE}.throughput:run"),
    Part("nvjpeg", "JPEG files decoded by the GPU against zoo.images", f"{_HERE}.nvjpeg:run"),
    Part("search", "FAISS on the GPU against the CPU", f"{_HERE}.search:run"),
    Part("distributed", "a group of processes against one process", f"{_HERE}.distributed:run"),
    Part("runtimes", "ONNX Runtime's CUDA and TensorRT providers against the CPU",
         f"{_HERE}.runtimes:run"),
    Part("tensorrt-plan", "a TensorRT plan of the built-in model", f"{_HERE}.tensorrt_plan:run"),
    Part("triton-plan", "that plan in a Triton server", f"{_HERE}.triton_plan:run"),
    Part("simclr-cifar10", "SimCLR on CIFAR-10, 200 epochs: kNN and linear accuracy",
         f"{_HERE}.pretraining:simclr_cifar10"),
    Part("small-photos", "the built-in model's recipe at 64 px on all images, 50 epochs",
         f"{_HERE}.pretraining:small_photos"),
    Part("cpc-cifar10", "CPC v2 on CIFAR-10, 100 epochs: kNN and linear accuracy",
         f"{_HERE}.pretraining:cpc_cifar10"),
)  # fmt: skip
