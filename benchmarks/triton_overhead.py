"""What the gateway adds to a Triton that is asked directly: the same model, images and clients.

    ZOO_TEST_TRITON=.venv-triton python benchmarks/triton_overhead.py

Starts a Triton over the built-in model (python backend, CPU) and a gateway on it, without a cache.
Each caller asks for one image at a time: of Triton with decoded pixels over gRPC, of the gateway
with a file over HTTP, which it decodes. The two are asked in turn, in rounds. Prints one JSON line
for each number of callers: images a second and the median wait of both, what the gateway adds in
ms, and the share of the throughput that it costs.
"""

import argparse
import asyncio
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images
from tritonclient import grpc
from tritonclient.grpc import aio

from export.triton import Serving, write_repository
from tests.service.conftest import run_gateway
from tests.service.triton import Triton
from zoo.images import read_square
from zoo.store import builtin_package

CALLERS = (1, 4, 16, 64)
Ask = Callable[[int], Awaitable[None]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--side", type=int, default=256, help="of the photos, in pixels")
    given = arguments.parse_args()
    files = photos(given.side)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        package = builtin_package()
        write_repository([package], work / "models", Serving("python"))
        server = Triton(work / "models", work)
        server.start()
        settings = {
            "ZOO_RUNTIME": "triton", "ZOO_TRITON_URL": server.grpc, "ZOO_CACHE_BYTES": "0",
        }  # fmt: skip
        try:
            with run_gateway(work / "home", **settings) as gateway:
                for callers in CALLERS:
                    line = asyncio.run(compare(given, callers, files, server, gateway.url))
                    print(json.dumps({"cores": os.cpu_count(), "side": given.side} | line))
        finally:
            server.kill()


def photos(side: int, count: int = 64) -> list[bytes]:
    """JPEG files of squares of scikit-learn's two sample photos."""
    images, rng, files = load_sample_images().images, np.random.default_rng(0), []
    for number in range(count):
        image = images[number % 2]
        y, x = rng.integers((0, 0), (image.shape[0] - side, image.shape[1] - side))
        buffer = io.BytesIO()
        Image.fromarray(image[y : y + side, x : x + side]).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


async def compare(
    given: argparse.Namespace, callers: int, files: list[bytes], server: Triton, url: str
) -> dict[str, float]:
    package = builtin_package()
    squares = [read_square(data, package.manifest.input)[None] for data in files]
    direct, through = [], []
    async with aio.InferenceServerClient(server.grpc) as client:
        inputs = []
        for square in squares:
            tensor = grpc.InferInput("images", list(square.shape), "UINT8")
            tensor.set_data_from_numpy(square)
            inputs.append([tensor])

        async def ask_triton(number: int) -> None:
            answer = await client.infer(package.manifest.name, inputs[number % len(inputs)])
            assert answer.as_numpy("embedding").shape == (1, package.manifest.dim)

        connections: list[Http] = []
        requests = [request(data) for data in files]

        async def ask_gateway(number: int) -> None:
            await connections[number % callers].post(requests[number // callers % len(requests)])

        for number in range(given.rounds + 1):
            for connection in connections:
                connection.writer.close()
            # Anew, since the gateway closes those that were idle while Triton was asked.
            connections[:] = [await Http.open(url) for _ in range(callers)]
            found = await measure(ask_gateway, callers, given.seconds)
            asked = await measure(ask_triton, callers, given.seconds)
            if number:  # the first round warms up
                through.append(found)
                direct.append(asked)
    (triton_rate, triton_ms), (rate, ms) = (
        [statistics.median(column) for column in zip(*rounds, strict=True)]
        for rounds in (direct, through)
    )
    return {
        "callers": callers,
        "triton_images_per_second": round(triton_rate, 1),
        "gateway_images_per_second": round(rate, 1),
        "triton_median_ms": round(triton_ms, 2),
        "gateway_median_ms": round(ms, 2),
        "added_ms": round(ms - triton_ms, 2),
        "throughput_cost_percent": round(100 * (1 - rate / triton_rate), 1),
    }


async def measure(ask: Ask, callers: int, seconds: float) -> tuple[float, float]:
    """Images a second, and the median wait in ms, with so many callers at once."""
    waits: list[float] = []
    began = time.perf_counter()

    async def caller(first: int) -> None:
        number = first
        while (start := time.perf_counter()) < began + seconds:
            await ask(number)
            waits.append(time.perf_counter() - start)
            number += callers

    await asyncio.gather(*(caller(first) for first in range(callers)))
    return len(waits) / (time.perf_counter() - began), 1000 * statistics.median(waits)


def request(file: bytes) -> bytes:
    """A whole HTTP request that embeds one file and takes the answer as NumPy's bytes."""
    head = b'--frontier\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'
    body = head + file + b"\r\n--frontier--\r\n"
    return (
        b"POST /v1/embeddings HTTP/1.1\r\nHost: gateway\r\nAccept: application/x-npy\r\n"
        b"Content-Type: multipart/form-data; boundary=frontier\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )


class Http:
    """One kept connection, with as little of a client as can be, so that it costs nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> "Http":
        """Connect to `http://host:port`."""
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def post(self, content: bytes) -> bytes:
        """Send a whole request; the body of its answer, which must be 200."""
        self.writer.write(content)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        return await self.reader.readexactly(int(length.partition(":")[2]))


if __name__ == "__main__":
    main()
