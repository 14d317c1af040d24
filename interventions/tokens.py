"""Who may use the API: tokens that are shown once, kept as a hash, bound to scopes, and that end."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from consent import audit
from consent.actors import Party
from consent.crypto import keyed_hash
from interventions.models import ApiToken

PREFIX = "rk-api-"
LASTS_DAYS = 90
SEEN_AGAIN_AFTER = timedelta(minutes=1)


class NewToken(NamedTuple):
    """A token that was just made. Its text is known here and nowhere else."""

    token: ApiToken
    text: str


class NotRecognised(Exception):
    """No token, an unknown one, one that ended, or one that was taken back."""


class UnknownScope(ValueError):
    """There is no such scope; the message names those there are."""


# A token is 32 random bytes, so one fast keyed hash protects it as well as a slow one would; and a look-up by a hash
# that nobody can compute tells nothing by the time it takes.
def _hash(text: str) -> bytes:
    return keyed_hash("api token", text)


def create(
    *,
    name: str,
    scopes: Iterable[str],
    by: Party,
    now: datetime,
    days: int = LASTS_DAYS,
    per_minute: int | None = None,
) -> NewToken:
    """A token of this name; one that exists gets a new text and end, and the old text stops working."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in ApiToken.Scope.values]
    if unknown or not wanted:
        raise UnknownScope(f"Choose from {', '.join(ApiToken.Scope.values)}.")
    text = PREFIX + secrets.token_urlsafe(32)
    given = {"scopes": wanted, "token_hash": _hash(text), "expires_at": now + timedelta(days=days)}
    if per_minute is not None:
        given["per_minute"] = per_minute
    with transaction.atomic():
        token, _ = ApiToken.objects.update_or_create(
            name=name, defaults={**given, "is_active": True}, create_defaults={**given, "created_at": now}
        )
        audit.record(
            actor=by,
            action="api_token.created",
            target=Party("api_token", token.pk),
            now=now,
            detail={"scopes": wanted, "days": days},
        )
    return NewToken(token, text)


def revoke(*, name: str, by: Party, now: datetime) -> bool:
    """Takes a token out of use at once; False where there is none in use."""
    with transaction.atomic():
        token = ApiToken.objects.select_for_update().filter(name=name, is_active=True).first()
        if token is None:
            return False
        ApiToken.objects.filter(pk=token.pk).update(is_active=False)
        audit.record(actor=by, action="api_token.revoked", target=Party("api_token", token.pk), now=now)
    return True


def recognise(text: str, *, now: datetime) -> ApiToken:
    """The token this is; notes that it was here. Raises NotRecognised."""
    token = ApiToken.objects.filter(token_hash=_hash(text), is_active=True, expires_at__gt=now).first()
    if token is None:
        raise NotRecognised
    ApiToken.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - SEEN_AGAIN_AFTER), pk=token.pk
    ).update(last_used_at=now)
    return token
