"""`zoo bench`."""

import json
from pathlib import Path

from tests.cli.command import zoo
from zoo.package import read_package


def test_the_bench_measures_every_way(variants_home: Path):
    done = zoo(
        "bench", "tiny", "--seconds", "0.2", "--batch", "8", "--json", ZOO_HOME=str(variants_home)
    )
    package = read_package(variants_home / "packages" / "tiny" / "2")
    results = {row.get("variant"): row for row in json.loads(done.stdout)["results"]}
    assert {"onnxruntime-fp32", "onnxruntime-fp16", "onnxruntime-int8", "openvino-fp32"} < {
        *results
    }
    assert results["onnxruntime-fp32"]["mixes"]
    assert not results["openvino-int8"]["mixes"]
    assert all(row["images_per_second"] > 0 for row in results.values() if "error" not in row)
    size = results["onnxruntime-int8"]["file_bytes"]
    assert size == package.manifest.files["encoder.int8.onnx"].bytes
