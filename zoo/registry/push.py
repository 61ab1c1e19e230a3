"""A finished package into a registry: its files, then its manifest, then the index."""

import hashlib

from zoo.errors import PackageError, ZooError
from zoo.package import MANIFEST, Package, parse_manifest
from zoo.registry.index import INDEX, Index, Listed
from zoo.registry.places import Place, StoredPlace
from zoo.signing import SIGNATURE

_ROUNDS = 5


def push_package(package: Package, place: Place, signature: bytes | None) -> str:
    """Write a package that was verified, and list it; pushing the same once more changes nothing.

    Args:
        signature: of its `model.json`; without it, the one that came with the package, if any.

    Returns:
        The SHA-256 of its `model.json`, by which it can be pinned.

    Raises:
        PackageError: the registry has other content of that version.
        DownloadError: it cannot be written.
        ZooError: a web server, which is only read.
    """
    if not isinstance(place, StoredPlace):
        raise ZooError(
            f"{place.address}: a web server is only pulled from; push to the folder or the bucket "
            "that it serves"
        )
    manifest = package.manifest
    base = f"{manifest.name}/{manifest.version}"
    content = (package.path / MANIFEST).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    listed = place.exists(f"{base}/{MANIFEST}")
    if listed and place.read(f"{base}/{MANIFEST}") != content:
        raise PackageError(
            f"{place.address} has another {manifest.reference}: a version never changes; give "
            "yours another one"
        )
    if not listed:
        for name in manifest.files:
            place.put(package.path / name, f"{base}/{name}")
    if signature is None and (package.path / SIGNATURE).is_file():
        signature = (package.path / SIGNATURE).read_bytes()
    if signature is not None:
        place.write(f"{base}/{SIGNATURE}", signature)
    if not listed:
        place.write(f"{base}/{MANIFEST}", content)
    _write_index(place, manifest.name)
    return digest


def _write_index(place: StoredPlace, name: str) -> None:
    """List what lies there; again if another push came between."""
    index = _index(place, name)
    for _ in range(_ROUNDS):
        place.write(f"{name}/{INDEX}", index.model_dump_json(indent=1).encode() + b"\n")
        written, index = index, _index(place, name)
        if index == written:
            return


def _index(place: StoredPlace, name: str) -> Index:
    versions = {}
    for version in sorted(place.folders(name)):
        path = f"{name}/{version}/{MANIFEST}"
        if not place.exists(path):
            continue  # a push that is under way or was broken off
        content = place.read(path)
        manifest = parse_manifest(content, f"{place.address}/{path}")
        versions[version] = Listed(
            digest=hashlib.sha256(content).hexdigest(),
            bytes=sum(file.bytes for file in manifest.files.values()),
            signed=place.exists(f"{name}/{version}/{SIGNATURE}"),
        )
    return Index(name=name, versions=versions)
