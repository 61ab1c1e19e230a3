"""What comes back of a run: its encoder without the optimizer's state, in small pieces."""

import io
import shutil
from pathlib import Path

import torch

from zoo.encoders.run import CHECKPOINT, DESCRIPTION, read_run

_PIECE = 15 << 20  # bytes


def write_weights(run: Path, folder: Path) -> None:
    """Write the pieces of a checkpoint that `zoo export run` takes, and `run.json`, into `folder`.

    `cat checkpoint.pt.* > checkpoint.pt` makes it whole.
    """
    found = read_run(run)
    encoder = {name: x for name, x in found.method.items() if name.startswith("encoder.")}
    whole = io.BytesIO()
    torch.save({"method": encoder, "step": found.step}, whole)
    content = whole.getvalue()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(run / DESCRIPTION, folder / DESCRIPTION)
    for number, start in enumerate(range(0, len(content), _PIECE)):
        piece = folder / f"{CHECKPOINT}.{number:02d}"
        piece.write_bytes(content[start : start + _PIECE])
