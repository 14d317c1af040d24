"""Encryption of personal data by the application, and keyed hashes to look it up by.

AES-256-GCM (NIST SP 800-38D) with a key ring. A token is one version byte, the key's fingerprint (4 bytes), a
nonce (12 bytes) and the ciphertext. ``FIELD_KEYS`` is ``index:BASE64,name:BASE64[,name:BASE64…]``, 32 bytes each:
``index`` makes the look-up hashes and is never rotated, the last other key encrypts, all others still decrypt.
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

VERSION = b"\x01"
KEY_BYTES = 32
NONCE_BYTES = 12
FINGERPRINT = slice(1, 5)
NONCE = slice(5, 17)
BODY = slice(17, None)


class WrongKeyRing(Exception):
    """FIELD_KEYS cannot read what was written: a key is missing or is another one of the same name."""


class AlteredToken(Exception):
    """The right key is there, but the stored bytes are not what was written with it."""


class KeyRing(NamedTuple):
    index_key: bytes
    primary: bytes  # fingerprint of the key that encrypts
    names: dict[bytes, str]  # by fingerprint
    ciphers: dict[bytes, AESGCM]  # by fingerprint


def fingerprint(name: str, key: bytes) -> bytes:
    """Four bytes that tell keys apart and say nothing about them."""
    return hashlib.blake2b(name.encode() + b"\0" + key, digest_size=4).digest()


@lru_cache(maxsize=4)
def parse_ring(text: str) -> KeyRing:
    """The key ring written in FIELD_KEYS."""
    index: bytes | None = None
    names: dict[bytes, str] = {}
    ciphers: dict[bytes, AESGCM] = {}
    primary = b""
    for position, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        name, colon, encoded = entry.partition(":")
        if not colon or not name:
            # Without a colon the whole entry may be a bare key: it must not end up in a log.
            raise ImproperlyConfigured(f"FIELD_KEYS: entry {position} must read NAME:BASE64.")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise ImproperlyConfigured(
                f"FIELD_KEYS: the key {name!r} must be base64 of {KEY_BYTES} random bytes "
                '(python -c "import os,base64;print(base64.b64encode(os.urandom(32)).decode())").'
            )
        if name in names.values() or (name == "index" and index is not None):
            raise ImproperlyConfigured(f"FIELD_KEYS names the key {name!r} twice.")
        if name == "index":
            index = key
            continue
        primary = fingerprint(name, key)
        names[primary] = name
        ciphers[primary] = AESGCM(key)
    if index is None or not ciphers:
        raise ImproperlyConfigured("FIELD_KEYS needs the key named index and at least one other key.")
    return KeyRing(index, primary, names, ciphers)


def ring() -> KeyRing:
    """The key ring in force."""
    return parse_ring(settings.FIELD_KEYS)


def encrypt(plain: bytes) -> bytes:
    """The token that only this key ring can read."""
    keys = ring()
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + keys.primary + nonce + keys.ciphers[keys.primary].encrypt(nonce, plain, None)


def encrypt_many(plains: Iterable[bytes]) -> list[bytes]:
    """A token for each, in order."""
    keys = ring()
    head = VERSION + keys.primary
    seal = keys.ciphers[keys.primary].encrypt
    urandom = os.urandom
    return [head + (nonce := urandom(NONCE_BYTES)) + seal(nonce, plain, None) for plain in plains]


def decrypt(token: bytes) -> bytes:
    """What was encrypted. Raises WrongKeyRing where the ring lacks the key, AlteredToken where the bytes changed."""
    token = bytes(token)
    keys = ring()
    if token[:1] != VERSION or len(token) < BODY.start:
        raise AlteredToken("These bytes are no encrypted value of this version.")
    cipher = keys.ciphers.get(token[FINGERPRINT])
    if cipher is None:
        raise WrongKeyRing(
            f"FIELD_KEYS lacks the key with fingerprint {token[FINGERPRINT].hex()} (it has "
            f"{describe(keys)}); add the key this value was written with to FIELD_KEYS."
        )
    try:
        return cipher.decrypt(token[NONCE], token[BODY], None)
    except InvalidTag as fault:
        raise AlteredToken(
            f"A value written with the key {keys.names[token[FINGERPRINT]]!r} has been altered since."
        ) from fault


def describe(keys: KeyRing) -> str:
    """The ring's keys by name and fingerprint, for messages."""
    return ", ".join(f"{name!r} {mark.hex()}" for mark, name in keys.names.items())


def is_current(token: bytes) -> bool:
    """Whether the token was written with the key that encrypts now."""
    return bytes(token[FINGERPRINT]) == ring().primary


def keyed_hash(purpose: str, value: str) -> bytes:
    """A 16-byte look-up key (keyed BLAKE2b): equal values meet, nobody without the index key can test a guess."""
    return hashlib.blake2b(
        value.encode(), digest_size=16, key=ring().index_key, person=_purpose(purpose)
    ).digest()


def keyed_hash64(purpose: str, value: str) -> int:
    """The first 64 bits of the keyed hash, as a signed integer."""
    return int.from_bytes(keyed_hash(purpose, value)[:8], "big", signed=True)


@lru_cache(maxsize=64)
def _purpose(purpose: str) -> bytes:
    return hashlib.blake2b(purpose.encode(), digest_size=16).digest()


class EncryptedTextField(models.Field):
    """Text that the database holds only encrypted. Cannot be filtered by, except for being null."""

    description = "Encrypted text"

    if TYPE_CHECKING:
        _pyi_private_set_type: str
        _pyi_private_get_type: str

    def get_internal_type(self) -> str:
        return "BinaryField"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else self._read(decrypt(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else connection.Database.Binary(encrypt(self._write(value)))

    def _read(self, plain: bytes) -> Any:
        return plain.decode()

    def _write(self, value: Any) -> bytes:
        if isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"{self.name} takes text, not bytes.")
        return str(value).encode()

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(
            f"{self.name} is encrypted and cannot be searched; look it up by its keyed hash, or ask for "
            f"{self.name}__isnull."
        )

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        defaults: dict[str, Any] = {"form_class": forms.CharField}
        if self.null:
            defaults["empty_value"] = None
        return super().formfield(**{**defaults, **kwargs})


class EncryptedJSONField(EncryptedTextField):
    """JSON that the database holds only encrypted."""

    description = "Encrypted JSON"

    if TYPE_CHECKING:
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def _read(self, plain: bytes) -> Any:
        return json.loads(plain)

    def _write(self, value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        return models.Field.formfield(self, **{"form_class": forms.JSONField, **kwargs})
