"""In what precision this machine computes."""

import subprocess
import sys
from typing import Literal

import torch

Precision = Literal["32-true", "bf16-mixed"]

_TRIAL = """
import torch
from torch import nn
network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3))
with torch.autocast("cpu", torch.bfloat16):
    network(torch.ones(8, 3, 16, 16)).float().sum().backward()
"""


def usable(precision: Precision) -> Precision:
    """The one that is wanted, or float32 where the machine has no other."""
    if precision == "32-true" or torch.cuda.is_available() or has_bfloat16():
        return precision
    return "32-true"


def has_bfloat16() -> bool:
    """Whether the CPU has instructions for it, and they work.

    Some virtual machines announce matrix instructions that end the program when they are used, so
    a process of its own tries first.
    """
    capabilities = torch.cpu.get_capabilities()
    if not (capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")):
        return False
    trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False)  # noqa: S603
    return trial.returncode == 0
