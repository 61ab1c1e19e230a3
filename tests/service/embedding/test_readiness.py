"""A failed probe closes the door to everyone, until the golden images agree again."""

import asyncio

import numpy as np
import pytest

from service.embedding.embedder import Embedder
from service.embedding.readiness import Probe
from service.errors import UnavailableError
from service.results import Results
from service.settings import Settings
from tests.service.conftest import photos
from zoo.arrays import Pixels
from zoo.manifest import Precision
from zoo.package import Package
from zoo.runtimes import Execution
from zoo.runtimes.onnx import OnnxRuntime, open_onnx
from zoo.store import builtin_package


class Failing:
    """ONNX Runtime that can be made to give another model's embeddings, or none at all."""

    concurrency = 1
    precision: Precision = "fp32"

    def __init__(self, package: Package) -> None:
        self.runtime: OnnxRuntime = open_onnx(package, Execution())
        self.variant, self.space = self.runtime.variant, self.runtime.space
        self.fault = ""

    def embed(self, images: Pixels) -> np.ndarray:
        if self.fault == "fails":
            raise RuntimeError("out of memory")
        rows = self.runtime.embed(images)
        return rows[:, ::-1] if self.fault == "wrong" else rows


@pytest.mark.parametrize("fault", ["wrong", "fails"])
def test_after_a_failed_probe_nothing_is_embedded_until_the_golden_images_agree(fault: str) -> None:
    async def run() -> None:
        package = builtin_package()
        runtime = Failing(package)
        embedder = Embedder(package, runtime, Settings())
        embedder.start()
        try:
            probe, files = Probe(embedder), photos("china", 4)

            async def vector(file: bytes) -> np.ndarray:
                (found,) = (await embedder.embed(Results.of([file]))).values
                return found.vector

            await probe.run()
            expected = [await vector(file) for file in files[:3]]
            runtime.fault = fault
            if fault == "wrong":  # what nobody has noticed yet is cached, and must be forgotten
                assert await vector(files[3]) @ expected[0] < 0.9
            with pytest.raises(UnavailableError):
                await probe.run()
            runtime.fault = "wrong"
            for file in files:  # known before, or not
                with pytest.raises(UnavailableError, match="golden"):
                    await vector(file)
            runtime.fault = ""
            for file, row in zip(files, expected, strict=False):
                np.testing.assert_allclose(await vector(file), row, atol=1e-6)
            await probe.run()
        finally:
            await embedder.close()

    asyncio.run(run())
