"""A finished package out of a registry; needs no PyTorch."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from minisign import PublicKey

from zoo.download import (
    Claim,
    Plan,
    Planned,
    Remote,
    TransferProgress,
    Wanted,
    check_space,
    discard,
    fetch,
    first_use,
    plan,
    private_folder,
    read_small,
)
from zoo.download.claims import check_claims
from zoo.download.folders import folder_bytes
from zoo.download.remote import NotThereError
from zoo.errors import InstalledError, PackageError, UnknownModelError
from zoo.install import install
from zoo.manifest import Manifest, split_reference
from zoo.package import MANIFEST, Package, file_digest, parse_manifest
from zoo.registry.index import INDEX, INDEX_LIMIT, MANIFEST_LIMIT, Listed, parse_index
from zoo.registry.places import Place
from zoo.signing import SIGNATURE, SIGNATURE_LIMIT, check_signature
from zoo.store import find_package, package_folder, version_key


@dataclass(frozen=True)
class Demands:
    """What a package must fulfil: this digest of its `model.json`, a signature by one of these."""

    digest: str | None = None
    trusted: Sequence[PublicKey] = ()


def pull_package(
    place: Place, reference: str, demands: Demands, progress: TransferProgress
) -> tuple[Package, bool]:
    """Bring `name` (its newest version) or `name@version` into the store.

    Its manifest is held to the digest in the index, the demanded one and that of its first
    download, and every file to the manifest; the golden vectors are run before it is visible.

    Returns:
        The package, and whether it is new here.

    Raises:
        UnknownModelError: the registry has none of that name or version.
        DownloadError, PackageError, SignatureError, GoldenMismatchError: it is not installed.
    """
    name, wanted = _split(reference)
    version, listed = _resolve(place, name, wanted, progress)
    reference, base = f"{name}@{version}", f"{name}/{version}"
    remote = place.file(f"{base}/{MANIFEST}")
    content, digest = _read_manifest(remote, listed, demands, progress)
    signature = _signature(place, base, listed, progress)
    check_signature(reference, content, signature, demands.trusted)
    first_use.hold(remote.address, digest)
    if installed := _installed(name, version, digest):
        return installed, False
    manifest = _parsed(content, remote, reference)
    with private_folder(f"{reference}-{digest[:8]}") as folder:
        _fetch_files(place, base, manifest, folder, progress)
        try:
            return install(name, version, _filler(folder, manifest, content, signature)), True
        except InstalledError:  # by another pull meanwhile
            return _installed(name, version, digest) or find_package(reference), False
        finally:
            discard(folder)


def plan_package(
    place: Place, reference: str, demands: Demands, progress: TransferProgress
) -> Plan:
    """What `pull_package` would fetch: its index and manifest are read, nothing is written.

    Raises:
        UnknownModelError, DownloadError, PackageError: as `pull_package`.
    """
    name, wanted = _split(reference)
    version, listed = _resolve(place, name, wanted, progress)
    reference, base = f"{name}@{version}", f"{name}/{version}"
    remote = place.file(f"{base}/{MANIFEST}")
    content, _ = _read_manifest(remote, listed, demands, progress)
    files = _parsed(content, remote, reference).files
    planned = [Planned(place.file(f"{base}/{n}").address, file.bytes) for n, file in files.items()]
    return plan(reference, planned, copies=1)


def _split(reference: str) -> tuple[str, str | None]:
    try:
        return split_reference(reference)
    except ValueError as error:
        raise UnknownModelError(str(error)) from None


def _read_manifest(
    remote: Remote, listed: Listed, demands: Demands, progress: TransferProgress
) -> tuple[bytes, str]:
    """The bytes of a manifest and their digest, which is what everyone says it is."""
    content = read_small(remote, MANIFEST_LIMIT, progress)
    digest = hashlib.sha256(content).hexdigest()
    claims = [Claim("sha256", listed.digest, "the registry's index")]
    if demands.digest:
        claims.insert(0, Claim("sha256", demands.digest, "--digest"))
    check_claims(remote.address, (*claims, *first_use.held(remote.address)), {"sha256": digest})
    return content, digest


def _parsed(content: bytes, remote: Remote, reference: str) -> Manifest:
    manifest = parse_manifest(content, remote.address)
    if manifest.reference != reference:
        raise PackageError(f"{remote.address}: it is the manifest of {manifest.reference}")
    return manifest


def _resolve(
    place: Place, name: str, version: str | None, progress: TransferProgress
) -> tuple[str, Listed]:
    remote = place.file(f"{name}/{INDEX}")
    try:
        content = read_small(remote, INDEX_LIMIT, progress)
    except NotThereError:
        raise UnknownModelError(f"{place.address} has no model {name!r}") from None
    versions = parse_index(remote.address, content).versions
    if not versions:
        raise UnknownModelError(f"{place.address} has no version of {name!r}")
    version = version or max(versions, key=version_key)
    if version not in versions:
        known = ", ".join(f"{name}@{v}" for v in sorted(versions, key=version_key))
        raise UnknownModelError(f"{place.address} has no {name}@{version}; there is {known}")
    return version, versions[version]


def _signature(place: Place, base: str, listed: Listed, progress: TransferProgress) -> bytes | None:
    if not listed.signed:
        return None
    return read_small(place.file(f"{base}/{SIGNATURE}"), SIGNATURE_LIMIT, progress)


def _installed(name: str, version: str, digest: str) -> Package | None:
    try:
        folder = package_folder(name, version)
    except UnknownModelError:
        return None
    if folder.name != version or file_digest(folder / MANIFEST) != digest:
        raise PackageError(
            f"another {name}@{version} is installed in {folder}: `zoo rm` it first, or give the "
            "new one another version"
        )
    return find_package(f"{name}@{version}")


def _fetch_files(
    place: Place, base: str, manifest: Manifest, folder: Path, progress: TransferProgress
) -> None:
    total = sum(file.bytes for file in manifest.files.values())
    check_space(folder, total - folder_bytes(folder), manifest.reference)
    for name, file in manifest.files.items():
        claim = Claim("sha256", file.sha256, "the manifest")
        fetch(Wanted(name, place.file(f"{base}/{name}"), (claim,), file.bytes), folder, progress)


def _filler(
    folder: Path, manifest: Manifest, content: bytes, signature: bytes | None
) -> Callable[[Path], None]:
    def fill(package: Path) -> None:
        for name in manifest.files:
            shutil.move(folder / "whole" / name, package / name)
        (package / MANIFEST).write_bytes(content)
        if signature is not None:
            (package / SIGNATURE).write_bytes(signature)

    return fill
