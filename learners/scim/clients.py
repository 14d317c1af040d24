"""Identity providers and the tokens they show (RFC 6750)."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from consent.crypto import keyed_hash
from learners.models import ScimClient

SEEN_AGAIN_AFTER = timedelta(minutes=1)


class NewClient(NamedTuple):
    """A client whose token was just made. The token is known here and nowhere else."""

    client: ScimClient
    token: str


class NotRecognised(Exception):
    """No token, an unknown one, or one that was taken back."""


# A token is 32 random bytes, so one fast keyed hash protects it as well as a slow one would; and a look-up by a hash
# that nobody can compute tells nothing by the time it takes.
def _hash(token: str) -> bytes:
    return keyed_hash("scim token", token)


def create(
    *, name: str, now: datetime, groups_mean: str | None = None, home_page: str | None = None
) -> NewClient:
    """A client of this name with a new token; one that exists keeps its people, and its old token stops working."""
    token = f"rk-scim-{secrets.token_urlsafe(32)}"
    given = {"groups_mean": groups_mean, "home_page": home_page}
    changes = {key: value for key, value in given.items() if value is not None}
    client, _ = ScimClient.objects.update_or_create(
        name=name,
        defaults={**changes, "token_hash": _hash(token), "is_active": True},
        create_defaults={**changes, "token_hash": _hash(token), "created_at": now},
    )
    return NewClient(client, token)


def recognise(header: str, *, now: datetime) -> ScimClient:
    """The client of an Authorization header; notes that it was here. Raises NotRecognised."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotRecognised
    client = ScimClient.objects.filter(token_hash=_hash(token.strip()), is_active=True).first()
    if client is None:
        raise NotRecognised
    ScimClient.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - SEEN_AGAIN_AFTER), pk=client.pk
    ).update(last_used_at=now)
    return client
