"""`python -m zoo`: the `zoo` command."""

from zoo.commands import app

if __name__ == "__main__":
    app(prog_name="zoo")
