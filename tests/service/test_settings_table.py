"""The table of settings in the documentation is that of the settings."""

from service import settings_table
from service.settings import Settings


def test_it_is_the_settings() -> None:
    assert settings_table.PATH.read_text("utf-8") == settings_table.table(), (
        "the settings have changed: run python -m service.settings_table"
    )


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`ZOO_{name.upper()}`" in settings_table.table()
