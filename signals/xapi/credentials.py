"""Who is talking to the record store, and what they may do: Basic credentials of source systems."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from consent.crypto import keyed_hash
from signals.models import Credential

REMEMBERED_S = 5.0  # how long a taken-back credential may still work
MOST_REMEMBERED = 1000


class NewCredential(NamedTuple):
    """A credential just made. The secret is known here and nowhere else."""

    credential: Credential
    key: str
    secret: str


class NotRecognised(Exception):
    """No such key, another secret, or no longer in use."""


class MayNot(Exception):
    """The credential lacks the permission."""


# A secret is 32 random bytes, so one fast keyed hash protects it as well as a slow one would.
def _hash(secret: str) -> bytes:
    return keyed_hash("credential", secret)


_remembered: dict[bytes, tuple[float, Credential]] = {}
_lock = threading.Lock()


def create(*, name: str, permissions: Iterable[str], now: datetime) -> NewCredential:
    """A new credential of this name; what it had been of this name before, it is no longer."""
    key, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
    credential, _ = Credential.objects.update_or_create(
        name=name,
        defaults={
            "key": key,
            "secret_hash": _hash(secret),
            "permissions": sorted(set(permissions)),
            "is_active": True,
        },
        create_defaults={
            "name": name,
            "key": key,
            "secret_hash": _hash(secret),
            "permissions": sorted(set(permissions)),
            "created_at": now,
        },
    )
    return NewCredential(credential, key, secret)


def recognise(header: str) -> Credential:
    """The credential of an Authorization header. Raises NotRecognised."""
    if not header[:6].lower() == "basic ":
        raise NotRecognised
    token = hashlib.blake2b(header.encode("utf-8", "replace"), digest_size=16).digest()
    remembered = _remembered.get(token)
    clock = time.monotonic()
    if remembered is not None and remembered[0] > clock:
        return remembered[1]
    try:
        key, _, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotRecognised from error
    credential = Credential.objects.filter(key=key, is_active=True).first() if "\0" not in key else None
    if credential is None or not hmac.compare_digest(bytes(credential.secret_hash), _hash(secret)):
        raise NotRecognised
    with _lock:
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[token] = (clock + REMEMBERED_S, credential)
    return credential


def forget() -> None:
    """Makes this process look every credential up again."""
    _remembered.clear()


def holds(credential: Credential, *permissions: str) -> bool:
    """Whether the credential has one of these permissions ("all" holds all of the standard's)."""
    held = set(credential.permissions)
    if "all" in held:
        held |= {"write", "read", "read/mine", "state", "define", "profile"}
    return not held.isdisjoint(permissions)


def demand(credential: Credential, *permissions: str) -> None:
    """Raises MayNot unless the credential has one of these permissions."""
    if not holds(credential, *permissions):
        raise MayNot(f"This credential needs the permission {' or '.join(permissions)}.")


def authority(credential_id: object) -> dict[str, object]:
    """The agent who vouches for a credential's statements."""
    return {
        "objectType": "Agent",
        "account": {"homePage": settings.PUBLIC_URL, "name": str(credential_id)},
    }
