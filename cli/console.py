"""What the sub-commands share: messages, JSON, errors in one line, and what to install."""

import errno
import functools
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from zoo.errors import ZooError

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output.")]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls but tab and line feed, marks that turn the direction of writing, and surrogates."""

EXTRAS = {
    "cpu": ("faiss", "onnxruntime"),
    "export": ("torch", "onnxscript", "onnxruntime"),
    "train": ("torch", "lightning_fabric", "matplotlib", "skimage", "tensorboard"),
}
"""The modules of each optional extra that commands import, but for those of a runtime alone."""


def stdout() -> "Console":
    """Where the answer goes; wide enough for a whole table where it is not a terminal."""
    terminal = sys.stdout.isatty()
    if not terminal and isinstance(sys.stdout, io.TextIOWrapper):
        # A program gets a name as the file system has it, be it text or not.
        sys.stdout.reconfigure(errors="surrogateescape")
    return _console(escape=terminal, width=None if terminal else 200)


def stderr() -> "Console":
    """Where progress and messages go."""
    return _console(escape=True, stderr=True, soft_wrap=True)


def answer(line: str) -> None:
    """A line on standard output, however long."""
    stdout().print(line, markup=False, soft_wrap=True)


def tell(line: str) -> None:
    """A line on standard error."""
    stderr().print(line, markup=False)


def warn(line: str) -> None:
    """A line on standard error that asks for attention."""
    stderr().print(line, style="yellow", markup=False)


def print_json(content: Any) -> None:
    """Write `content` to standard output as indented JSON.

    Controls are escaped as JSON does it, and so are the bytes of names that are not UTF-8, as the
    lone surrogates by which Python knows them.
    """
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(content, indent=2, ensure_ascii=not utf8)
    sys.stdout.write(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback of what is done and the total, which draws a bar on a terminal alone."""
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A callback of a stage, what is done of it and its total: a bar a stage on a terminal, else a
    line as each begins."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    terminal = sys.stderr.isatty()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr(), transient=True, disable=not terminal) as bar:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage)
                if not terminal:
                    stderr().print(f"{stage} ...", style="dim", markup=False)
            bar.update(tasks[stage], completed=done, total=total)

        yield report


def escaped(text: str) -> str:
    r"""The text with what a terminal would obey, or could not show, written as Python does: `\x1b`.

    Bytes of file names that are not UTF-8 are written `\xff`.
    """
    return _UNSAFE.sub(_escape, text)


class Commands(TyperGroup):
    """All commands; what they say of a wrong usage is escaped."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command's own options."""
        with _escaped_usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the sub-command."""
        with _escaped_usage():
            return super().invoke(ctx)


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its known errors in one red line and exit code 1, without a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as `head`, has what it wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except ZooError as error:
            _fail(str(error))
        except OSError as error:
            _fail(_explained(error))
        except ImportError as error:
            name = (error.name or "").partition(".")[0]
            extra = next((extra for extra, found in _extras().items() if name in found), None)
            if extra is None:
                raise
            _fail(_to_install([name], extra))
        except KeyboardInterrupt:
            stderr().print("interrupted", style="red")
            raise typer.Exit(INTERRUPTED) from None

    return run


@contextmanager
def known_errors(*types: type[Exception]) -> Iterator[None]:
    """Turn the errors of another part into this one's, which are reported in one line."""
    try:
        yield
    except types as error:
        raise ZooError(str(error)) from error


def need(extra: str, *modules: str) -> None:
    """Check that optional software is there before work starts.

    Args:
        extra: where it comes from. modules: those of it that are needed; without any, all.

    Raises:
        ZooError: some is not there; the message says what to install.
    """
    if missing := [name for name in modules or _extras()[extra] if find_spec(name) is None]:
        raise ZooError(_to_install(missing, extra))


@contextmanager
def _escaped_usage() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        error.message = escaped(error.message)
        raise


def _to_install(modules: list[str], extra: str) -> str:
    names = ", ".join(modules)
    verb = "is" if len(modules) == 1 else "are"
    return f"this needs {names}, which {verb} not installed: pip install 'encoder-zoo[{extra}]'"


def _extras() -> dict[str, tuple[str, ...]]:
    from zoo.runtimes.table import RUNTIMES  # noqa: PLC0415

    return {kind.extra: kind.modules for kind in RUNTIMES.values()} | EXTRAS


def _explained(error: OSError) -> str:
    """Without the number; and where the store refuses to be written, what to do."""
    from zoo.store import zoo_home  # noqa: PLC0415

    if not isinstance(error.filename, str):
        return str(error)
    message = f"{error.filename}: {error.strerror}"
    if Path(error.filename).is_relative_to(zoo_home()):
        message += _AT_HOME.get(error.errno or 0, "")
    return message


_OWNER = "; run this as the store's owner, or let ZOO_HOME name a folder of your own"
_PLACE = "; let ZOO_HOME name a folder that is there or can be made"
_AT_HOME = {
    errno.EACCES: _OWNER,
    errno.EPERM: _OWNER,
    errno.EROFS: _OWNER,
    errno.ENOENT: _PLACE,
    errno.ENOTDIR: _PLACE,
    errno.ELOOP: _PLACE,
}
"""What to do about an error in the store."""


def _fail(message: str) -> None:
    stderr().print(f"error: {message}", style="red", markup=False)
    raise typer.Exit(1) from None


def _escape(found: "re.Match[str]") -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries a byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _console(escape: bool, **options: Any) -> "Console":
    from rich.console import Console  # noqa: PLC0415
    from rich.segment import Segment  # noqa: PLC0415

    class _Escaping(Console):
        """Escapes text, whatever it came in, but not its own colours and movements."""

        def render(self, renderable: Any, options: Any = None) -> Any:
            for segment in super().render(renderable, options):
                text, style, control = segment
                yield segment if control else Segment(escaped(text), style)

    return (_Escaping if escape else Console)(highlight=False, **options)
