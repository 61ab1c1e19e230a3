"""Self-supervised training of encoders, and its evaluation. Needs the `train` extra."""

import os
from pathlib import Path

from zoo.store import zoo_home

# Matplotlib keeps its list of fonts in the user's home unless it is told where else.
os.environ.setdefault("MPLCONFIGDIR", str(zoo_home() / "cache" / "matplotlib"))


def _avoid_faulty_kernels() -> None:
    """Keep oneDNN from its AVX2 kernels on processors that have nothing newer.

    As PyTorch 2.13 has them, they write past their memory in the backward pass of CPC's encoder in
    channels-last order: a run aborts, or learns nothing. AVX's are slower and right.
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].split("\n")[0].split())
    except OSError:  # not Linux
        return
    if "avx2" in flags and "avx512f" not in flags:
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX")


_avoid_faulty_kernels()  # before PyTorch asks oneDNN for its first kernel
