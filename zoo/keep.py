"""Built-in packages that are in use are kept, for the day when a release carries them no more."""

import shutil
from collections.abc import Iterable

from zoo.errors import InstalledError
from zoo.manifest import split_reference
from zoo.package import MANIFEST, read_package, verify
from zoo.store import BUILTIN, new_package, zoo_home


def keep_builtin(references: Iterable[str]) -> list[str]:
    """Copy those of the packages `name@version` that are built in and not yet in `$ZOO_HOME`.

    What was embedded with a version needs that version for ever after, whatever later releases of
    this program bring. A copy is visible when it is whole.

    Returns:
        Those that were copied.

    Raises:
        PackageError: a built-in package is damaged.
        OSError: the store cannot be written.
    """
    return [reference for reference in references if _keep(*split_reference(reference))]


def _keep(name: str, version: str | None) -> bool:
    source = BUILTIN / name / str(version)
    if (
        not (source / MANIFEST).is_file()
        or (zoo_home() / "packages" / name / str(version)).exists()
    ):
        return False
    package = read_package(source)
    verify(package)
    try:
        with new_package(name, str(version)) as folder:
            for file in (MANIFEST, *package.manifest.files):
                shutil.copyfile(source / file, folder / file)
    except InstalledError:  # by another gateway meanwhile
        return False
    return True
