"""The name of a zip's entry, which the format stores as bytes in an encoding it seldom tells.

PKWARE APPNOTE 6.3.10: 4.4.4 (bit 11: UTF-8) and 4.6.9 (extra field 0x7075: the name in UTF-8).
macOS's Finder writes UTF-8 and says so nowhere. Old programs write the encoding of their system,
which cannot be told from the bytes.
"""

import struct
import zipfile
import zlib

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
UNKNOWN = (
    "the encoding of its name is unknown (not UTF-8): rename the file, or make the zip with a "
    "program that writes names in UTF-8"
)


def entry_name(info: zipfile.ZipInfo) -> tuple[str, str]:
    r"""The name of an entry, and what is wrong with it ("" for nothing).

    A name that cannot be told is given with its bytes written as `%FF`.
    """
    utf8 = bool(info.flag_bits & _UTF8_FLAG)
    # zipfile has decoded the bytes as cp437 where the flag is not set; both ways can be undone.
    raw = info.orig_filename.encode("utf-8" if utf8 else "cp437")
    stored = raw if utf8 else _unicode_path(info.extra, raw) or raw
    try:
        name = stored.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace").replace("\\x", "%"), UNKNOWN
    if "\0" in name:
        return name.replace("\0", "%00"), "its name has a NUL in it: rename the file"
    return name, ""


def _unicode_path(extra: bytes, raw: bytes) -> bytes | None:
    """The name of the field 0x7075, if it is that of `raw`: a renaming may have left it behind."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field = extra[4 : 4 + size]
        if kind == _UNICODE_PATH and len(field) == size > 5 and field[0] == 1:
            (checksum,) = struct.unpack_from("<L", field, 1)
            return field[5:] if checksum == zlib.crc32(raw) else None
        extra = extra[4 + size :]
    return None
