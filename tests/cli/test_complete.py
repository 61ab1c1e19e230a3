"""What the shell offers."""

from cli import complete
from tests.cli.command import zoo


def test_the_shell_completes_models_and_recipes(make_package):
    make_package()

    def completions(line, count):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(count), "_ZOO_COMPLETE": "complete_bash"}
        return zoo(**words).stdout.split()

    assert completions("zoo show ti", 2) == ["tiny", "tiny@1"]
    assert completions("zoo verify tiny@", 2) == ["tiny@1"]
    assert "simclr-r18-small-cpu" in completions("zoo train simclr", 2)


def test_the_shell_completes_what_can_be_pulled(make_package):
    make_package("simclr-mine")
    assert "simclr-r50x4" in complete.catalog("simclr-r50")
    assert {"simclr-mine", "simclr-r50x4"} <= set(complete.models_and_catalog("simclr-"))
    assert "simclr-mine" not in complete.catalog("")
