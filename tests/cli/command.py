"""Running the command: as a process, as a user meets it, or in this one, which is faster."""

import contextlib
import os
import subprocess
import sys

from typer.testing import CliRunner

from cli import app

ZOO = (sys.executable, "-m", "cli")
ENVIRONMENT = {"COLUMNS": "200", "NO_COLOR": "1"}


def zoo(*arguments, code=0, program=ZOO, **environment):
    """The ended process, whose exit code was `code` (None: any), and no accident."""
    done = subprocess.run(
        [*program, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env=os.environ | ENVIRONMENT | environment,
    )
    assert code in (None, done.returncode), done.stderr
    assert "Traceback" not in done.stderr
    return done


def invoke(*arguments, code=0, text=None, **environment):
    """The command's output and what it wrote to standard error; its exit code was `code`."""
    done = CliRunner().invoke(
        app, list(map(str, arguments)), env=ENVIRONMENT | environment, input=text
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert code in (None, done.exit_code), done.stderr
    return done.stdout, done.stderr


@contextlib.contextmanager
def started(*arguments, program=ZOO):
    """The running process, with its standard error piped."""
    process = subprocess.Popen(
        [*program, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def read_until(process, text):
    """What the process has said on standard error, up to the line that holds `text`."""
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"the process ended without saying {text!r}: {said}")
