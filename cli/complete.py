"""What the shell offers: names of models and recipes, found without importing anything heavy."""

from importlib.util import find_spec
from pathlib import Path


def models(incomplete: str) -> list[str]:
    """Installed models, by name and by name@version."""
    from zoo.store import BUILTIN, zoo_home  # noqa: PLC0415

    names = set()
    for root in (zoo_home() / "packages", BUILTIN):
        for path in root.glob("[!.]*/[!.]*/model.json"):
            names |= {path.parts[-3], f"{path.parts[-3]}@{path.parts[-2]}"}
    return sorted(name for name in names if name.startswith(incomplete))


def catalog(incomplete: str) -> list[str]:
    """Models that can be pulled."""
    import zoo  # noqa: PLC0415

    # By the names of the files: to read them takes longer than one waits for a key.
    names = [path.stem for path in Path(zoo.__path__[0], "catalog").glob("*.toml")]
    return sorted(name for name in names if name.startswith(incomplete))


def models_and_catalog(incomplete: str) -> list[str]:
    """Models that are installed or can be pulled."""
    return sorted({*models(incomplete), *catalog(incomplete)})


def recipes(incomplete: str) -> list[str]:
    """Recipes that come with the training package."""
    return [name for name in recipe_files() if name.startswith(incomplete)]


def recipe_files() -> dict[str, Path]:
    """The files of the recipes, by name."""
    found = find_spec("training")
    folders = (found.submodule_search_locations or []) if found else []
    paths = [path for folder in folders for path in Path(folder, "recipes").glob("[!_]*.py")]
    return {path.stem.replace("_", "-"): path for path in sorted(paths)}
