"""Reading the tar files that tests make or are given."""

import tarfile


def read_member(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    """The bytes of a regular file of the archive."""
    file = archive.extractfile(member)
    assert file is not None, f"{member} is no regular file"
    return file.read()
