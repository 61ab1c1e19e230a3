"""One package in one file, for a machine without a network: a plain tar that `load` distrusts.

In it, under `<name>/<version>/`: the manifest first, its signature where there is one, a report of
licence and parity to read without this program, the digests of all of it as `sha256sum -c` reads
them, then the files. The same package always gives the same bytes.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import IO

from minisign import PublicKey

from zoo.download import check_space
from zoo.errors import PackageError
from zoo.files import whole_file
from zoo.install import install
from zoo.licences import described
from zoo.manifest import Manifest
from zoo.package import MANIFEST, Package, file_digest, parse_manifest, verify
from zoo.signing import SIGNATURE, SIGNATURE_LIMIT, check_signature
from zoo.store import zoo_home

REPORT, SUMS = "REPORT.txt", "SHA256SUMS"

_MANIFEST_LIMIT = 4_000_000
_BLOCK = 1 << 20


def save_package(package: Package, target: Path) -> None:
    """Write a package to a file, which appears when it is whole.

    Raises:
        PackageError: the package is damaged.
        OSError: the file cannot be written.
    """
    verify(package)
    base = f"{package.manifest.name}/{package.manifest.version}"
    with (
        whole_file(target) as partial,
        tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive,
    ):
        texts = {
            name: (package.path / name).read_bytes()
            for name in (MANIFEST, SIGNATURE)
            if (package.path / name).is_file()
        }
        if REPORT not in package.manifest.files:
            texts[REPORT] = report(package.manifest).encode()
        for name, content in {**texts, SUMS: _sums(texts, package.manifest)}.items():
            _add(archive, f"{base}/{name}", content)
        for name, expected in package.manifest.files.items():
            with (package.path / name).open("rb") as file:
                archive.addfile(_member(f"{base}/{name}", expected.bytes), file)


def load_package(path: Path, trusted: Sequence[PublicKey], digest: str | None = None) -> Package:
    """Install the package in a file that `save_package` wrote; nothing else is read from it.

    Args:
        digest: the SHA-256 that the file, or the `model.json` in it, must have.

    Raises:
        PackageError: anything in it is not what such a file has, or differs from the manifest or
            from the digests.
        SignatureError: no trusted key signed it, and keys are given.
        GoldenMismatchError: it gives other embeddings than it attests.
        NoSpaceError: the disk has no room.
    """
    with _opened(path) as archive:
        members = _members(archive, path)
        base, content = _manifest(archive, members, path)
        _check_digest(path, content, digest)
        manifest = parse_manifest(content, path)
        if base != f"{manifest.name}/{manifest.version}":
            raise PackageError(f"{path}: {base} is not the place of {manifest.reference}")
        _check_members(members, manifest, base, path)
        _check_sums(archive, members, base, path, manifest)
        signature = None
        if f"{base}/{SIGNATURE}" in members:
            signature = _read(archive, members[f"{base}/{SIGNATURE}"])
        check_signature(manifest.reference, content, signature, trusted)
        total = sum(file.bytes for file in manifest.files.values())
        check_space(zoo_home(), total, manifest.reference)

        def fill(folder: Path) -> None:
            (folder / MANIFEST).write_bytes(content)
            if signature is not None:
                (folder / SIGNATURE).write_bytes(signature)
            for name in manifest.files:
                _extract(archive, members[f"{base}/{name}"], folder / name)

        return install(manifest.name, manifest.version, fill)


def report(manifest: Manifest) -> str:
    """Licence, origin, parity and digests, for people."""
    origin = manifest.provenance
    lines = [
        f"{manifest.reference}: {manifest.method}, {manifest.dim} values an image",
        "",
        "Licence",
        f"  code:    {origin.code_licence}",
        f"  weights: {described(origin.weights_licence)}",
        f"  cite:    {origin.citation}",
        "",
        "Comes from",
        *(_source_line(s.name, s.terms, s.images, s.sha256) for s in origin.sources),
        "",
        f"Parity with the reference (PyTorch, float32); mixes from {manifest.tolerance} on",
        *(
            f"  {variant}: cosine at least {p.cosine_min:.9f}, mean {p.cosine_mean:.9f}, "
            f"largest relative error {p.max_relative_error:.3g}"
            for variant, p in manifest.parity.items()
        ),
        "",
        *_variant_lines(manifest),
        f"Space {manifest.space}",
        "",
        "Files (SHA-256)",
        *(f"  {file.sha256}  {name}" for name, file in manifest.files.items()),
    ]
    return "\n".join(lines) + "\n"


def _sums(texts: Mapping[str, bytes], manifest: Manifest) -> bytes:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in texts.items()}
    digests |= {name: file.sha256 for name, file in manifest.files.items()}
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def _check_digest(path: Path, manifest: bytes, demanded: str | None) -> None:
    if demanded is None:
        return
    found = file_digest(path), hashlib.sha256(manifest).hexdigest()
    if demanded not in found:
        raise PackageError(
            f"{path}: its SHA-256 is {found[0]} and that of the {MANIFEST} in it {found[1]}, "
            f"--digest demands {demanded}: refused"
        )


def _check_sums(
    archive: tarfile.TarFile,
    members: dict[str, tarfile.TarInfo],
    base: str,
    path: Path,
    manifest: Manifest,
) -> None:
    """That nothing changed on the way; of before there were digests, files have none."""
    if f"{base}/{SUMS}" not in members:
        return
    names = [n for n in (MANIFEST, SIGNATURE, REPORT) if f"{base}/{n}" in members]
    texts = {name: _small(archive, members, f"{base}/{name}", path) for name in names}
    found = _sums(texts, manifest).decode().splitlines()
    said = _small(archive, members, f"{base}/{SUMS}", path).decode(errors="replace").splitlines()
    for one, other in zip_longest(found, said):
        if one != other:
            raise PackageError(
                f"{path}: the SHA-256 and name of a file in it are {one!r}, but {SUMS} says "
                f"{other!r}: it was changed or damaged; copy it again"
            )


def _variant_lines(manifest: Manifest) -> list[str]:
    if not manifest.variants:
        return []
    rows = [f"  {precision}: {v.cost.summary}" for precision, v in manifest.variants.items()]
    return ["What other precisions cost against fp32", *rows, ""]


def _source_line(name: str, terms: str, images: int | None, sha256: str | None) -> str:
    count = f", {images:,} images" if images else ""
    return f"  {name}{count} (terms: {terms}){f', SHA-256 {sha256}' if sha256 else ''}"


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_member(name, len(content)), io.BytesIO(content))


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise PackageError(f"{path}: not a whole file of `zoo save` ({error})") from error


def _members(archive: tarfile.TarFile, path: Path) -> dict[str, tarfile.TarInfo]:
    """What is in it by name: plain files alone, each once."""
    members: dict[str, tarfile.TarInfo] = {}
    for member in archive:
        if not member.isreg() or member.issparse():
            raise PackageError(f"{path}: {member.name!r} is not a plain file: refused")
        if member.name in members:
            raise PackageError(f"{path}: {member.name!r} is in it twice: refused")
        members[member.name] = member
        if len(members) > 100:
            raise PackageError(f"{path}: more files than a package has: refused")
    return members


def _manifest(
    archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], path: Path
) -> tuple[str, bytes]:
    for name in members:
        base, _, file = name.rpartition("/")
        if file == MANIFEST:
            return base, _small(archive, members, name, path)
    raise PackageError(f"{path}: no {MANIFEST} in it; it is not a file of `zoo save`")


def _small(
    archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str, path: Path
) -> bytes:
    if name not in members:
        raise PackageError(f"{path}: it has no {name}")
    if (size := members[name].size) > _MANIFEST_LIMIT:
        raise PackageError(f"{path}: {name!r} has {size:,} bytes: refused")
    return _read(archive, members[name])


def _check_members(
    members: dict[str, tarfile.TarInfo], manifest: Manifest, base: str, path: Path
) -> None:
    """Every file that the manifest lists, of that size; no other; nothing outside the package."""
    sizes = {f"{base}/{name}": file.bytes for name, file in manifest.files.items()}
    limits = {f"{base}/{MANIFEST}": _MANIFEST_LIMIT, f"{base}/{SIGNATURE}": SIGNATURE_LIMIT}
    limits |= {f"{base}/{name}": _MANIFEST_LIMIT for name in (REPORT, SUMS)}
    for name, member in members.items():
        if name not in sizes and name not in limits:
            raise PackageError(f"{path}: {name!r} is no file of {manifest.reference}: refused")
        if member.size > limits.get(name, member.size) or member.size != sizes.get(
            name, member.size
        ):
            raise PackageError(f"{path}: {name!r} has {member.size:,} bytes, which is wrong")
    missing = sizes.keys() - members.keys()
    if missing:
        raise PackageError(f"{path}: it has no {', '.join(sorted(missing))}")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:
        raise PackageError(f"{member.name!r} is not a plain file: refused")
    return file


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    with _content(archive, member) as file:
        content = file.read()
    if len(content) != member.size:
        raise tarfile.ReadError(f"{member.name} is cut short")
    return content


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    with _content(archive, member) as source, target.open("xb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
