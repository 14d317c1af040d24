"""Letting a request in: who it is from, whether it may ask again already, and when that source was last heard of."""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest

from consent.crypto import keyed_hash
from signals import refusals
from signals.models import Credential
from signals.xapi import rate
from signals.xapi.credentials import NotRecognised, key_in, recognise, was_right
from signals.xapi.rate import NotNow

NOTED_EVERY_S = 60.0

# Credential → when this process may next note that it was used.
_note_again: dict[object, float] = {}


def admit(request: HttpRequest, *, now: datetime) -> Credential:
    """The credential that asks, with what it may do this time. Raises NotRecognised or NotNow."""
    header = request.headers.get("Authorization", "")
    known = was_right(header)
    strangers = [] if known else _strangers(request, header)
    if any(rate.is_spent(who, now=now) for who in strangers):
        raise _too_many_guesses(now)
    try:
        credential = recognise(header)
    except NotRecognised:
        # No credential at all is a question about how to sign in, not a guess.
        if header and not all([rate.allows(who, most, now=now) for who, most in _guesses(strangers)]):
            raise _too_many_guesses(now) from None
        raise
    most = credential.requests_per_minute or settings.LRS_REQUESTS_PER_MINUTE
    who = f"credential:{credential.pk}"
    if most:
        spent = rate.is_spent(who, now=now)
        if spent or not rate.allows(who, most, now=now):
            if not spent:  # once a minute and process: counting each would cost more than answering it
                refusals.count(credential, {"rate": 0}, requests=1, now=now)
            raise NotNow(
                429,
                "Authorization",
                f"has asked {most} times in this minute, which is its limit",
                "Send several statements in one request, or have the credential's limit raised.",
                rate.seconds_left(now),
            )
    note_use(credential, now=now)
    return credential


def note_use(credential: Credential, *, now: datetime) -> None:
    """Notes when the credential was last used, at most once a minute however many processes it talks to."""
    clock = time.monotonic()
    if _note_again.get(credential.pk, 0.0) > clock:
        return
    _note_again[credential.pk] = clock + NOTED_EVERY_S
    Credential.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - timedelta(seconds=NOTED_EVERY_S)),
        pk=credential.pk,
    ).update(last_used_at=now)


def forget() -> None:
    """Makes this process note the next use of every credential."""
    _note_again.clear()


def address_of(request: HttpRequest) -> str:
    """Where the request comes from: the last address that one of our own proxies has seen itself."""
    proxies = settings.PROXIES_IN_FRONT
    if proxies:
        seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        if len(seen) >= proxies:
            return seen[-proxies]
    return str(request.META.get("REMOTE_ADDR", ""))


def _strangers(request: HttpRequest, header: str) -> list[str]:
    """Under which names a failed sign-in counts. Hashed: an address is somebody's."""
    found = [f"address:{keyed_hash('address', address_of(request)).hex()}"]
    key = key_in(header)
    return [*found, f"key:{keyed_hash('key', key).hex()}"] if key else found


def _guesses(strangers: list[str]) -> list[tuple[str, int]]:
    return [(who, settings.LRS_FAILED_SIGN_INS_PER_MINUTE) for who in strangers]


def _too_many_guesses(now: datetime) -> NotNow:
    return NotNow(
        429,
        "Authorization",
        "was wrong too often in this minute",
        "Wait, and send the key and secret of a credential in use.",
        rate.seconds_left(now),
    )
