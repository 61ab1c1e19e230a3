"""A Dockerfile's steps, run as a script: each stage in a root folder of its own, by chroot.

Knows the instructions that ours uses and no other. The base image is a folder that is given.
"""

import json
import os
import re
import shlex
import shutil
import string
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Stage:
    """What a stage has become: its root, and what a container of it starts with."""

    image: str
    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, arguments), with continued lines joined and comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name, arguments.strip()) for name, arguments in pairs]


def build(path: Path, base: Path, work: Path) -> Stage:
    """Run every step in copies of `base` in the folder `work`; the last stage."""
    stages: dict[str, Stage] = {}
    stage = None
    for name, arguments in instructions(path):
        if name == "FROM":
            image, _, alias = arguments.partition(" AS ")
            stage = stages[alias] = Stage(image, work / f"stage-{len(stages)}")
            subprocess.run(["cp", "-a", base, stage.root], check=True)
            continue
        assert stage is not None, "a Dockerfile begins with FROM"
        if name == "COPY":
            _copy(stage, arguments, stages, path.parent)
        else:
            _step(stage, name, arguments)
    assert stage is not None
    return stage


def _step(stage: Stage, name: str, arguments: str) -> None:
    if name == "RUN":
        # Only what pip needs to reach its index comes from outside.
        pip = {k: v for k, v in os.environ.items() if k in ("PIP_CERT", "PIP_INDEX_URL")}
        command = ["chroot", str(stage.root), "sh", "-ec", f"cd {stage.folder}\n{arguments}"]
        subprocess.run(command, env={**stage.env, **pip}, check=True)
    elif name == "ENV":
        for pair in shlex.split(arguments):
            key, _, value = pair.partition("=")
            stage.env[key] = string.Template(value).substitute(stage.env)
    elif name == "WORKDIR":
        stage.folder = arguments
        _inside(stage, arguments).mkdir(parents=True, exist_ok=True)
    elif name == "USER":
        stage.user = arguments
    elif name == "ENTRYPOINT":
        stage.entrypoint = json.loads(arguments)
    elif name == "CMD":
        stage.command = json.loads(arguments)
    elif name == "HEALTHCHECK":
        stage.health = json.loads(arguments.partition(" CMD ")[2])
    else:
        assert name == "EXPOSE", f"{name} is not known here"


def _copy(stage: Stage, arguments: str, stages: dict[str, Stage], context: Path) -> None:
    *sources, target = arguments.split()
    if sources[0].startswith("--from="):
        other = stages[sources.pop(0).removeprefix("--from=")]
        found = [_inside(other, source) for source in sources]
    else:
        found = [context / source for source in sources]
    into = _inside(stage, target)
    for source in found:
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if source.parent == context else None
            shutil.copytree(source, into, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(source, into)


def _inside(stage: Stage, path: str) -> Path:
    """A path of the stage, absolute or from its folder, as the outside sees it."""
    return stage.root / os.path.normpath(os.path.join(stage.folder, path)).lstrip("/")  # noqa: PTH118
