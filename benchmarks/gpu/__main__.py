"""Everything that needs a GPU, in calls of some minutes, without a network.

    python -m benchmarks.gpu pack cifar10.tar photos.tar --out data/gpu
    python -m benchmarks.gpu --minutes 9 --part 4 --data data/gpu --out runs/gpu
    python -m benchmarks.gpu report runs/gpu

The same command goes on where the last call stopped. Appends a JSON line a result to
`results.jsonl` in the folder of the run. docs/gpu.md says what to bring and in which order to call.
"""

import argparse
import os
import sys
from pathlib import Path

_DEVICES = ("cuda", "cpu")


def main(given: list[str] | None = None) -> int:
    """The exit status: 0, 1 where a result or a part has failed, 2 where nothing can be run."""
    arguments = _parser().parse_args(given)
    if arguments.command == "report":
        from benchmarks.gpu.report import markdown  # noqa: PLC0415

        print(markdown(arguments.folder), end="")
        return 0
    if arguments.command == "pack":
        return _pack(arguments.sources, arguments.out, arguments.mib)
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    home = arguments.out.resolve()
    home.mkdir(parents=True, exist_ok=True)
    _set_environment(arguments.device, home)
    from benchmarks.gpu.run import device_name, run_parts  # noqa: PLC0415 - after the environment
    from benchmarks.gpu.table import PARTS  # noqa: PLC0415
    from benchmarks.gpu.work import SkippedError, Work  # noqa: PLC0415

    known = {part.name: part for part in PARTS}
    if unknown := set(arguments.only or ()) - set(known):
        print(f"there is no part {min(unknown)!r}, but {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        name = device_name(arguments.device)
    except SkippedError as error:
        print(error, file=sys.stderr)
        return 2
    data = arguments.data.resolve()
    work = Work("", arguments.device, name, arguments.toy, data, home)
    parts = [known[name] for name in arguments.only] if arguments.only else list(PARTS)
    seconds, per_part = 60 * arguments.minutes, 60 * arguments.part
    fine = run_parts(parts, work, seconds, per_part, lambda line: print(line, flush=True))
    return 0 if fine else 1


def _pack(sources: list[Path], out: Path, mib: float) -> int:
    from benchmarks.gpu.shards import write_shards  # noqa: PLC0415

    for source in sources:
        for path in write_shards(source, out, int(mib * (1 << 20))):
            print(f"{path}: {path.stat().st_size / (1 << 20):.1f} MiB")
    return 0


def _set_environment(device: str, home: Path) -> None:
    """For the parts, whose processes inherit it: no network, and all they keep in the run's folder,
    what `torch.compile` made among it, which a next call need not make again.
    """
    os.environ["ZOO_HOME"] = str(home / "home")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(home / "compiled")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=9.0, help="of this call, at most")
    parser.add_argument("--part", type=float, default=4.0, help="minutes of a turn of a part")
    parser.add_argument("--data", type=Path, default=Path("data/gpu"), help="what `pack` wrote")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder of the run")
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts, in this order")
    parser.add_argument("--device", choices=_DEVICES, default="cuda")
    parser.add_argument("--toy", action="store_true", help="sizes of seconds: a rehearsal")
    commands = parser.add_subparsers(dest="command")
    report = commands.add_parser("report", help="print the results as Markdown")
    report.add_argument("folder", type=Path)
    pack = commands.add_parser("pack", help="write images into shards to take along")
    pack.add_argument("sources", type=Path, nargs="+")
    pack.add_argument("--out", type=Path, default=Path("data/gpu"))
    pack.add_argument("--mib", type=float, default=30.0, help="of a shard, at most")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
