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
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.forms import Field as FormField

VERSION = b"\x01"


class WrongKeyRing(Exception):
    """FIELD_KEYS cannot read what was written: a key is missing or is another one of the same name."""


class KeyRing(NamedTuple):
    index: bytes
    primary: bytes  # fingerprint of the key that encrypts
    names: dict[bytes, str]
    ciphers: dict[bytes, AESGCM]


@lru_cache(maxsize=4)
def parse_ring(text: str) -> KeyRing:
    """The key ring written in FIELD_KEYS."""
    index: bytes | None = None
    names: dict[bytes, str] = {}
    ciphers: dict[bytes, AESGCM] = {}
    primary = b""
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not name or len(key) != 32:
            raise ImproperlyConfigured(
                f"FIELD_KEYS: the key {name!r} must be NAME:BASE64 of 32 random bytes "
                '(python -c "import os,base64;print(base64.b64encode(os.urandom(32)).decode())").'
            )
        if name == "index":
            index = key
            continue
        primary = hashlib.blake2b(name.encode() + b"\0" + key, digest_size=4).digest()
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
    nonce = os.urandom(12)
    return VERSION + keys.primary + nonce + keys.ciphers[keys.primary].encrypt(nonce, plain, None)


def decrypt(token: bytes) -> bytes:
    """What was encrypted. Raises WrongKeyRing where the ring lacks the key."""
    token = bytes(token)
    keys = ring()
    cipher = keys.ciphers.get(token[1:5])
    if token[:1] != VERSION or cipher is None:
        raise WrongKeyRing(
            f"The key with fingerprint {token[1:5].hex()} is not in FIELD_KEYS; add the key this database was "
            "written with."
        )
    try:
        return cipher.decrypt(token[5:17], token[17:], None)
    except InvalidTag as fault:
        raise WrongKeyRing(f"A value written with the key {keys.names[token[1:5]]!r} has been altered.") from fault


def keyed_hash(purpose: str, value: str) -> bytes:
    """A 16-byte look-up key (keyed BLAKE2b): equal values meet, nobody without the index key can test a guess."""
    return hashlib.blake2b(
        value.encode(), digest_size=16, key=ring().index, person=_person(purpose)
    ).digest()


def keyed_hash64(purpose: str, value: str) -> int:
    """The first 64 bits of the keyed hash, as a signed integer."""
    return int.from_bytes(keyed_hash(purpose, value)[:8], "big", signed=True)


@lru_cache(maxsize=64)
def _person(purpose: str) -> bytes:
    return hashlib.blake2b(purpose.encode(), digest_size=16).digest()


class EncryptedTextField(models.Field):  # type: ignore[type-arg]
    """Text that the database holds only encrypted. Cannot be filtered by, except for being null."""

    description = "Encrypted text"

    def get_internal_type(self) -> str:
        return "BinaryField"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else self._read(decrypt(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else connection.Database.Binary(encrypt(self._write(value)))

    def _read(self, plain: bytes) -> Any:
        return plain.decode()

    def _write(self, value: Any) -> bytes:
        return str(value).encode()

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is encrypted and cannot be searched; look it up by its keyed hash.")

    def formfield(self, **kwargs: Any) -> FormField | None:  # type: ignore[override]
        from django.forms import CharField

        return super().formfield(**{"form_class": CharField, **kwargs})


class EncryptedJSONField(EncryptedTextField):
    """JSON that the database holds only encrypted."""

    description = "Encrypted JSON"

    def _read(self, plain: bytes) -> Any:
        return json.loads(plain)

    def _write(self, value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))
