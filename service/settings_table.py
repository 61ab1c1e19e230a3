"""The table of settings in the documentation. `python -m service.settings_table` writes it anew."""

from pathlib import Path

from pydantic.fields import FieldInfo

from service.settings import Settings

PATH = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = """\
# Settings

Every setting of the gateway is an environment variable, or a file of that name, in lower case, in
the folder that `ZOO_SECRETS_DIR` names; the environment wins. A value that cannot be used ends the
start with a message that names the setting.

| variable | default | what it is |
|---|---|---|
"""


def table() -> str:
    """The text of the file, made from the settings themselves."""
    rows = [
        f"| `ZOO_{name.upper()}` | {_default(name, field)} | {_cell(field.description or '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return _HEAD + "\n".join(rows) + "\n"


def _default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return "the user's data folder"
    if name == "models":
        return f"`{','.join(field.default)}`"
    return "" if field.default in (None, "") else f"`{field.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PATH.write_text(table(), encoding="utf-8")
