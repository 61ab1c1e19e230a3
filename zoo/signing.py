"""Signatures of packages, in minisign's format: over `model.json`, which has every file's digest.

Keys are made with `minisign -G`; what is signed here, `minisign -V` verifies, and the other way.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from minisign import Error, PublicKey, SecretKey, Signature, VerifyError

from zoo.errors import SignatureError
from zoo.package import MANIFEST

SIGNATURE = f"{MANIFEST}.minisig"
SIGNATURE_LIMIT = 16_384
"""Bytes of a signature file at most."""


def trusted_keys(given: Sequence[str]) -> tuple[PublicKey, ...]:
    """Public keys: base64 as minisign prints it, or the path of a `.pub` file.

    Without `given`, those of `ZOO_TRUSTED_KEYS`, separated by commas or white space. No key at all
    means that signatures are not required.

    Raises:
        SignatureError: one is neither.
    """
    names = given or os.environ.get("ZOO_TRUSTED_KEYS", "").replace(",", " ").split()
    return tuple(_public_key(name) for name in names)


def check_signature(
    reference: str, manifest: bytes, signature: bytes | None, trusted: Sequence[PublicKey]
) -> None:
    """See that one of the trusted keys signed a manifest; nothing is asked without keys.

    Raises:
        SignatureError: none did.
    """
    if not trusted:
        return
    if signature is None:
        raise SignatureError(f"{reference} is not signed, and trusted keys are set: refused")
    try:
        parsed = Signature.from_bytes(signature)
    except Error as error:
        raise SignatureError(f"{reference}: its signature cannot be read ({error})") from error
    for key in trusted:
        try:
            key.verify(manifest, parsed)
        except VerifyError:
            continue
        return
    raise SignatureError(
        f"{reference} is not signed by a trusted key, or was changed since: refused"
    )


def read_secret_key(path: Path, password: str | None) -> SecretKey:
    """The key to sign with. `password` is needed where `needs_password` says so.

    Raises:
        SignatureError: it is no such key, or the password is wrong.
    """
    try:
        key = SecretKey.from_file(path)
        if key.is_encrypted():
            key.decrypt(password or "")
    except Error as error:
        raise SignatureError(f"{path}: not usable as a minisign secret key ({error})") from error
    return key


def needs_password(path: Path) -> bool:
    """Whether a secret key is encrypted.

    Raises:
        SignatureError: it is no such key.
    """
    try:
        encrypted: bool = SecretKey.from_file(path).is_encrypted()
    except Error as error:
        raise SignatureError(f"{path}: not a minisign secret key ({error})") from error
    return encrypted


def sign(reference: str, manifest: bytes, key: SecretKey) -> bytes:
    """The signature file of a manifest."""
    return bytes(key.sign(manifest, trusted_comment=reference)) + b"\n"


def _public_key(name: str) -> PublicKey:
    try:
        if Path(name).is_file():
            return PublicKey.from_file(name)
        return PublicKey.from_base64(name)
    except Error as error:
        raise SignatureError(
            f"{name!r}: neither a minisign public key nor the path of one ({error})"
        ) from error
