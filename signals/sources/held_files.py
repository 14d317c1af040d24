"""A file that somebody chose and has not yet said yes to: it waits encrypted, for fifteen minutes, for them alone."""

import secrets
from typing import Any

import msgspec
from django.core.cache import cache

from consent.crypto import decrypt, encrypt

KEPT_SECONDS = 15 * 60


def hold(purpose: str, user_id: Any, *, name: str, content: bytes) -> str:
    """Keeps a file; returns the ticket that gets it back."""
    ticket = secrets.token_urlsafe(16)
    cache.set(
        _key(purpose, user_id, ticket),
        encrypt(msgspec.msgpack.encode((name, content))),
        timeout=KEPT_SECONDS,
    )
    return ticket


def held(purpose: str, user_id: Any, ticket: str) -> tuple[str, bytes] | None:
    """The name and content of a file kept before; None where there is none (any more)."""
    kept = cache.get(_key(purpose, user_id, ticket)) if ticket else None
    return msgspec.msgpack.decode(decrypt(kept), type=tuple[str, bytes]) if kept else None


def let_go(purpose: str, user_id: Any, ticket: str) -> None:
    """Forgets a file that was taken in."""
    cache.delete(_key(purpose, user_id, ticket))


def _key(purpose: str, user_id: Any, ticket: str) -> str:
    # Bound to the user: a ticket is no way to somebody else's file.
    return f"{purpose}:{user_id}:{ticket}"
