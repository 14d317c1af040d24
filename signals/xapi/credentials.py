"""Who is talking to the record store, and what they may do: key pairs of source systems, and what they remember."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from consent import audit
from consent.actors import SYSTEM, Party
from consent.crypto import keyed_hash
from signals.models import Credential
from signals.xapi.agents import check_authority
from signals.xapi.faults import Faults
from signals.xapi.keys import identity

REMEMBERED_S = 5.0  # how long a taken-back credential may still work
MOST_REMEMBERED = 1000


class NewCredential(NamedTuple):
    """A credential just made. The secret is known here and nowhere else."""

    credential: Credential
    key: str
    secret: str


class NotRecognised(Exception):
    """No such key, another secret, no longer in use; or a token that is not (or no longer) good."""

    def __init__(self, why: str = "names no credential in use") -> None:
        super().__init__(why)


class MayNot(Exception):
    """The credential lacks the permission."""


class AuthorityIsSet(Exception):
    """Statements have been handed out under the authority a credential has; it cannot become another."""


class NoAuthority(Exception):
    """What was given as an authority is not an agent."""


# A secret is 32 random bytes, so one fast keyed hash protects it as well as a slow one would.
def _hash(secret: str) -> bytes:
    return keyed_hash("credential", secret)


# Header's hash → until when it need not be looked up again, and what it then was. It stays after that: a header that
# was right lately is looked up even while the address it comes from is refused for guessing.
_remembered: dict[bytes, tuple[float, Credential]] = {}
_lock = threading.Lock()


def create(
    *,
    name: str,
    permissions: Iterable[str],
    now: datetime,
    by: Party = SYSTEM,
    authority: dict[str, Any] | None = None,
    **more: Any,
) -> NewCredential:
    """A new key and secret for the credential of this name; what it had before no longer works.

    ``more``: further fields. Raises NoAuthority, AuthorityIsSet.
    """
    key, secret = secrets.token_hex(16), _secret()
    if authority is not None:
        more |= {"authority": authority, "authority_hash": authority_hash(authority)}
        before = Credential.objects.filter(name=name).first()
        if before is not None and before.authority != authority:
            raise AuthorityIsSet(f"{name} has its authority already; make a credential of another name.")
    fields = {
        "key": key,
        "secret_hash": _hash(secret),
        "permissions": sorted(set(permissions)),
        **more,
    }
    credential, _ = Credential.objects.update_or_create(
        name=name,
        defaults={**fields, "is_active": True},
        create_defaults={"is_active": True, **fields, "name": name, "created_at": now},
    )
    audit.record(
        actor=by,
        action="credential.issued",
        target=Party("credential", credential.pk),
        now=now,
        detail={"permissions": credential.permissions},
    )
    return NewCredential(credential, key, secret)


def _secret() -> str:
    """256 random bits; never beginning with a dash, which a command line would take for an option."""
    while (made := secrets.token_urlsafe(32)).startswith("-"):
        pass
    return made


def revoke(*, key: str, now: datetime, by: Party = SYSTEM) -> Credential:
    """Takes the credential of this key out of use. Raises NotRecognised where there is none.

    Processes that have just let it in may go on doing so for REMEMBERED_S.
    """
    credential = Credential.objects.filter(key=key).first()
    if credential is None:
        raise NotRecognised("is no credential's key")
    if Credential.objects.filter(pk=credential.pk, is_active=True).update(is_active=False):
        audit.record(
            actor=by, action="credential.revoked", target=Party("credential", credential.pk), now=now
        )
    credential.is_active = False
    forget()
    return credential


def authority_hash(authority: Any) -> bytes:
    """The keyed hash an authority is found by. Raises NoAuthority."""
    faults = Faults(0)
    check_authority(authority, "authority", faults)
    found = identity(authority) if not faults.found else None
    if found is None:
        first = faults.found[0] if faults.found else None
        raise NoAuthority(f"{first.path} {first.fault}. {first.mend}" if first else "It names nobody.")
    return found[0]


def recognise(header: str) -> Credential:
    """The credential of an Authorization header: a key pair, or a bearer token. Raises NotRecognised."""
    token = _token(header)
    remembered = _remembered.get(token)
    clock = time.monotonic()
    if remembered is not None and remembered[0] > clock:
        return remembered[1]
    scheme = header[:7].lower()
    if scheme.startswith("basic "):
        credential = _by_secret(header[6:])
    elif scheme == "bearer ":
        from signals.xapi.tokens import credential_of  # which needs NotRecognised from here

        credential = credential_of(header[7:].strip())
    else:
        raise NotRecognised
    with _lock:
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[token] = (clock + REMEMBERED_S, credential)
    return credential


def was_right(header: str) -> bool:
    """Whether this process has let this very header in before."""
    return _token(header) in _remembered


def key_in(header: str) -> str:
    """The key a header of key and secret names; empty where it names none."""
    return _pair(header[6:])[0] if header[:6].lower() == "basic " else ""


def _token(header: str) -> bytes:
    return hashlib.blake2b(header.encode("utf-8", "replace"), digest_size=16).digest()


def _pair(encoded: str) -> tuple[str, str]:
    try:
        key, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        return "", ""
    return ("", "") if "\0" in key else (key, secret)


def _by_secret(encoded: str) -> Credential:
    key, secret = _pair(encoded)
    credential = Credential.objects.filter(key=key, is_active=True).first() if key else None
    if credential is None or not hmac.compare_digest(bytes(credential.secret_hash), _hash(secret)):
        raise NotRecognised
    return credential


def forget() -> None:
    """Makes this process look every credential up again."""
    _remembered.clear()


def holds(credential: Credential, *permissions: str) -> bool:
    """Whether the credential has one of these permissions ("all" holds all of the standard's)."""
    return not credential.held().isdisjoint(permissions)


def demand(credential: Credential, *permissions: str) -> None:
    """Raises MayNot unless the credential has one of these permissions."""
    if not holds(credential, *permissions):
        raise MayNot(f"This credential needs the permission {' or '.join(permissions)}.")


# Authorities never change once set, so what is known of them stays true.
_authorities: dict[str, dict[str, Any]] = {}


def authority(credential_id: object) -> dict[str, Any]:
    """The agent who vouches for a credential's statements: its own, else an account of ours."""
    name = str(credential_id)
    found = _authorities.get(name)
    if found is None:
        credential = Credential.objects.filter(pk=name).only("authority").first()
        if credential is None:
            return own_authority(name)
        found = _authorities[name] = credential.authority or own_authority(name)
    return found


def own_authority(name: str) -> dict[str, Any]:
    """The agent for a credential that has no authority of its own."""
    return {"objectType": "Agent", "account": {"homePage": settings.PUBLIC_URL, "name": name}}
