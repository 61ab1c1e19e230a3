"""What the sub-commands share: messages, JSON, errors in one line, and what to install."""

import errno
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import ZooError

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output.")]

_EXTRAS = {
    "faiss": "cpu",
    "onnxscript": "export",
    "torch": "train",
    "lightning_fabric": "train",
    "matplotlib": "train",
    "skimage": "train",
    "tensorboard": "train",
}


def stdout() -> "Console":
    """Where the answer goes; wide enough for a whole table where it is not a terminal."""
    from rich.console import Console  # noqa: PLC0415

    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def stderr() -> "Console":
    """Where progress and messages go."""
    from rich.console import Console  # noqa: PLC0415

    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(content: Any) -> None:
    """Write `content` to standard output as indented JSON."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def warn(message: str) -> None:
    """A line on standard error."""
    stderr().print(message, style="yellow", markup=False)


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
            if _extra_of(name) is None:
                raise
            _fail(missing(name))
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


def need(*modules: str) -> None:
    """Check that optional software is there before work starts.

    Raises:
        ZooError: it is not; the message says what to install.
    """
    for name in modules:
        if find_spec(name) is None:
            raise ZooError(missing(name))


def missing(module: str) -> str:
    """What to say when an optional module cannot be imported."""
    extra = _extra_of(module)
    return f"this needs {module}, which is not installed: pip install 'encoder-zoo[{extra}]'"


def _extra_of(module: str) -> str | None:
    from zoo.runtimes.table import RUNTIMES  # noqa: PLC0415

    extras = {name: kind.extra for kind in RUNTIMES.values() for name in kind.modules}
    return (_EXTRAS | extras).get(module)


def _explained(error: OSError) -> str:
    """Without the number; and where the store refuses to be written, what to do."""
    from zoo.store import zoo_home  # noqa: PLC0415

    if not isinstance(error.filename, str):
        return str(error)
    message = f"{error.filename}: {error.strerror}"
    refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    if refused and Path(error.filename).is_relative_to(zoo_home()):
        message += "; run this as the store's owner, or let ZOO_HOME name a folder of your own"
    return message


def _fail(message: str) -> None:
    stderr().print(f"error: {message}", style="red", markup=False)
    raise typer.Exit(1) from None
