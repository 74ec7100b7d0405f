"""Seals what leaves this process for a store, and hides names that are not ours to show.

A sealed value is `format byte | length of kid | kid | nonce | ciphertext`: AES-256-GCM, with the name of its key
and its version as associated data, under a data key for each partition and each key of the keyring (HKDF-SHA256).
So a value that was moved to another name, version or partition cannot be opened.

A keyring is text: `kid:base64 of 32 bytes`, comma-separated. The first key seals; the others only open. To rotate:
add the new key at the end on every node, then put it first on every node; what is written from then on is sealed
with it. An old key may go when nothing sealed with it is left.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT: Final = 1
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""Random nonces: a data key must not seal more than 2**32 values. Each partition has its own; rotate long before."""
TAG_BYTES: Final = 16
NAMES_SECRET_BYTES: Final = 64

_KID = re.compile(r"[a-z0-9-]{1,16}")


class SealBroken(Exception):
    """The value was not sealed here, or not for this place."""

    def __init__(self) -> None:
        super().__init__("a sealed value cannot be opened: wrong key, wrong place, or it was changed")


class BadKeyring(ValueError):
    """The keyring cannot be read. The text says why and holds none of it."""


def fresh_key(kid: str = "k1", random: Callable[[int], bytes] = os.urandom) -> str:
    """Return a keyring of one new key."""
    return f"{kid}:{base64.b64encode(random(KEY_BYTES)).decode()}"


class Sealer:
    """Two functions, `seal` and `open`; the rest is about the keyring itself."""

    def __init__(self, keyring: str, *, random: Callable[[int], bytes] = os.urandom) -> None:
        """Raise `BadKeyring` if the text is not a keyring."""
        self._keys = _read(keyring)
        self._random = random
        current = next(iter(self._keys))
        self._current = current.encode()
        self._header = bytes((FORMAT, len(current))) + self._current
        self._ciphers: dict[tuple[int, bytes], AESGCM] = {}

    def seal(self, partition: int, name: str, version: int, plain: bytes) -> bytes:
        """Return `plain`, sealed and bound to the other arguments."""
        nonce = self._random(NONCE_BYTES)
        return self._header + nonce + self._cipher(partition, self._current).encrypt(nonce, plain, _bind(name, version))

    def open(self, partition: int, name: str, version: int, sealed: bytes) -> bytes:
        """Return what was sealed with the same arguments. Raise `SealBroken`."""
        if len(sealed) < 2 or sealed[0] != FORMAT:
            raise SealBroken
        start = 2 + sealed[1]
        kid, nonce = sealed[2:start], sealed[start : start + NONCE_BYTES]
        if len(sealed) < start + NONCE_BYTES + TAG_BYTES:
            raise SealBroken
        try:
            cipher = self._cipher(partition, kid)
            return cipher.decrypt(nonce, sealed[start + NONCE_BYTES :], _bind(name, version))
        except (InvalidTag, KeyError):
            raise SealBroken from None

    def is_current(self, sealed: bytes) -> bool:
        """Return whether `sealed` was sealed with the first key; if not, it should be sealed anew some day."""
        return sealed.startswith(self._header)

    def fingerprint(self) -> str:
        """Return 16 hex digits by which two nodes can tell whether they seal with the same key."""
        return self.derive("fingerprint")[:8].hex()

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for a purpose beside sealing, such as a MAC. They change when the first key changes."""
        return _hkdf(self._keys[self._current.decode()], f"carelobby purpose {purpose}")

    def _cipher(self, partition: int, kid: bytes) -> AESGCM:
        cipher = self._ciphers.get((partition, kid))
        if cipher is None:
            key = _hkdf(self._keys[kid.decode("latin-1")], f"carelobby partition {partition}")
            cipher = self._ciphers[partition, kid] = AESGCM(key)
        return cipher


class Names:
    """Hides callers' own names — of practices, documents, requests — wherever they would become part of a key.

    Keys must be found again, so the same name always gives the same bytes, also after a rotation of the keyring:
    the secret is made once per store and is itself kept sealed in it.
    """

    def __init__(self, secret: bytes) -> None:
        """`secret`: 64 random bytes."""
        self._siv = AESSIV(secret)
        self._mac = hashlib.sha256(b"carelobby marks" + secret).digest()

    def mark(self, kind: str, text: str) -> str:
        """Return 32 hex digits that stand for `text` and do not tell it; others for each kind of text."""
        # NUL cannot be in a kind, so no two pairs share what is marked.
        return hmac.digest(self._mac, f"{kind}\0{text}".encode(), "sha256")[:16].hex()

    def hide(self, place: str, text: str) -> bytes:
        """Return bytes that stand for `text` within `place` and can be shown again."""
        return self._siv.encrypt(text.encode(), [place.encode()])

    def show(self, place: str, hidden: bytes) -> str:
        """Return the text that `hide` was given. Raise `SealBroken`."""
        try:
            return self._siv.decrypt(hidden, [place.encode()]).decode()
        except InvalidTag:
            raise SealBroken from None


def _bind(name: str, version: int) -> bytes:
    return name.encode() + version.to_bytes(8, "big")


def _hkdf(key: bytes, info: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info.encode()).derive(key)


def _read(keyring: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for entry in keyring.split(","):
        kid, colon, encoded = entry.strip().partition(":")
        if not colon or _KID.fullmatch(kid) is None:
            raise BadKeyring("a key of the keyring is not written as kid:base64, with a kid of 1-16 of a-z 0-9 -")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise BadKeyring("a key of the keyring is not the base64 of 32 bytes")
        if kid in keys:
            raise BadKeyring("a kid appears twice in the keyring")
        keys[kid] = key
    return keys
