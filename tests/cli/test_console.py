"""What reaches the terminal: nothing that it would obey, and one line for an error."""

import json
import os
import pty
import subprocess
from contextlib import closing

import pytest

from cli.console import escaped
from tests.cli.command import ENVIRONMENT, ZOO, invoke, zoo

ESCAPES = "\x1b]0;mine\x07\x1b[31m\x9b2J\u202e"


def on_a_terminal(*arguments):
    """The bytes that a terminal gets."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ZOO, *map(os.fsencode, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | ENVIRONMENT | {"TERM": "dumb"},
    )
    os.close(theirs)
    said = b""
    with closing(os.fdopen(ours, "rb", 0)) as terminal:
        try:
            while piece := terminal.read(4096):
                said += piece
        except OSError:  # it hung up
            pass
    process.wait()
    return said.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        ("save", "tiny", "--out", "{folder}/" + ESCAPES + ".tar"),
        ("show", ESCAPES),
        ("tag", "tiny@1", ESCAPES),
        ("embed", "{folder}/" + ESCAPES, "--out", "x"),
        ("embed", "{folder}/there" + ESCAPES, "--out", "{folder}/x.parquet"),
        ("pull", ESCAPES, "--registry", "{folder}/" + ESCAPES),
        ("push", "tiny", "--registry", "{folder}/" + ESCAPES, "--json"),
        ("push", "tiny", "--sign", "{folder}/" + ESCAPES),
        ("export", "run", "{folder}/there" + ESCAPES, "--name", "mine"),
        ("export", ESCAPES),
        ("search", ESCAPES),
        ("--" + ESCAPES,),
        (ESCAPES,),
    ],
)
def test_names_do_not_command_the_terminal(make_package, tmp_path, arguments):
    make_package()
    (tmp_path / f"there{ESCAPES}").mkdir()
    said = on_a_terminal(*(word.replace("{folder}", str(tmp_path)) for word in arguments))
    for obeyed in ("\x1b]", "\x1b[31m", "\x07", "\x9b", "\u202e"):
        assert obeyed not in said
    assert "x1b" in said or "u001b" in said


def test_a_program_gets_names_as_they_are(make_package, tmp_path):
    make_package()
    target = str(tmp_path / "odd\udcff\x1b.tar")
    assert zoo("save", "tiny", "--out", target).stdout == f"{target}\n"
    shown = json.loads(zoo("push", "tiny", "--registry", tmp_path / "r\udcff", "--json").stdout)
    assert shown["registry"].encode("utf-8", "surrogateescape").endswith(b"/r\xff")


def test_text_of_all_scripts_stays():
    text = "Grüße 写真 صورة é 🦋\n\tok"
    assert escaped(text) == text
    assert escaped("a\x1b\x7f\x85\udcfe\r") == r"a\x1b\x7f\u0085\xfe\x0d"


COMMANDS = [
    *(("list",), ("list", "--remote"), ("search", "simclr"), ("doctor",), ("verify", "--all")),
    *(("show", "simclr-r18-small"), ("compat", "simclr-r18-small", "simclr-r18-small")),
    *(("save", "simclr-r18-small", "--out", "{folder}/saved.tar"), ("load", "{folder}/tiny.tar")),
    ("push", "simclr-r18-small", "--registry", "{folder}/registry"),
    ("pull", "tiny", "--registry", "{folder}/registry"),
    *(("pull", "simclr-r50x1", "--offline"), ("tag", "tiny@1", "stable"), ("rm", "tiny")),
    *(("tag", "simclr-r18-small", "stable"), ("prune", "--yes")),
    ("embed", "{folder}", "--out", "{folder}/out.parquet"),
    ("train", "simclr-r18-small-cpu", "--data", "{folder}", "--out", "{folder}/run"),
    ("evaluate", "simclr-r18-small", "--data", "{folder}"),
    ("export", "run", "{folder}", "--name", "mine"),
    ("export", "triton", "simclr-r18-small", "--out", "{folder}/models"),
    ("export", "plan", "simclr-r18-small", "--out", "{folder}/plans"),
]


@pytest.mark.parametrize("kind", ["below a file", "a loop of links"])
def test_a_home_that_cannot_be_made_is_one_line(make_package, tmp_path, home, kind):
    """In one process, for the speed; a traceback would be raised here."""
    make_package()
    invoke("save", "tiny", "--out", tmp_path / "tiny.tar")
    invoke("push", "tiny", "--registry", tmp_path / "registry")
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    place = tmp_path / {"below a file": "file", "a loop of links": "loop"}[kind] / "home"
    for command in COMMANDS:
        words = [word.replace("{folder}", str(tmp_path)) for word in command]
        _, error = invoke(*words, code=None, ZOO_HOME=str(place))
        problem = [line for line in error.splitlines() if line.startswith("error: ")]
        assert len(problem) <= 1, words
        if command[0] in ("load",) or command[:2] == ("pull", "tiny"):
            assert "ZOO_HOME" in problem[0], words
    _, error = invoke("serve", "--port", 1, code=1, ZOO_HOME=str(place))
    assert error
