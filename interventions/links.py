"""Signed links: what somebody may do with one link, without signing in, for a while.

A link names its purpose, what it is about and when it ends; the signature (HMAC-SHA256 under SECRET_KEY, a salt per
purpose) covers all of it. So a link to answer cannot unsubscribe, and one answer's link cannot give another.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.core import signing


class Purpose(StrEnum):
    ANSWER = "answer"  # one of the four answers to one suggestion
    UNSUBSCRIBE = "unsubscribe"  # no more suggestions
    CALENDAR = "calendar"  # the suggestion as an entry for a calendar
    CARD = "card"  # a browser shows one learner's card for some minutes


LASTS = {
    Purpose.ANSWER: timedelta(days=30),
    # Mail is kept; a wish to be left alone must work as long as anybody may look for it.
    Purpose.UNSUBSCRIBE: timedelta(days=365),
    Purpose.CALENDAR: timedelta(days=30),
    Purpose.CARD: timedelta(minutes=10),
}


class LinkNotGood(Exception):
    """Not one of ours, or made for something else."""


class LinkExpired(LinkNotGood):
    """Ours, but its time is over."""


class Link(NamedTuple):
    """What a link allows."""

    about: UUID
    detail: str
    expires_at: datetime


def make(purpose: Purpose, *, about: UUID, now: datetime, detail: str = "") -> str:
    """A token for one purpose that ends when LASTS says."""
    ends = int((now + LASTS[purpose]).timestamp())
    return _signer(purpose).sign_object([about.hex, detail, ends])


def read(purpose: Purpose, token: str, *, now: datetime) -> Link:
    """What this token allows. Raises LinkNotGood, LinkExpired."""
    try:
        about, detail, ends = _signer(purpose).unsign_object(token)
        link = Link(UUID(hex=about), str(detail), datetime.fromtimestamp(ends, UTC))
    except (signing.BadSignature, ValueError, TypeError, OverflowError) as fault:
        raise LinkNotGood from fault
    if link.expires_at <= now:
        raise LinkExpired
    return link


def answer_address(decision_id: UUID, kind: str, *, now: datetime) -> str:
    """Where one tap leads: a page that asks "is that right?" for this answer to this suggestion."""
    return _address("answers", make(Purpose.ANSWER, about=decision_id, detail=kind, now=now))


def unsubscribe_address(learner_id: UUID, *, now: datetime) -> str:
    return _address("unsubscribe", make(Purpose.UNSUBSCRIBE, about=learner_id, now=now))


def calendar_address(decision_id: UUID, *, now: datetime) -> str:
    return _address("calendar", make(Purpose.CALENDAR, about=decision_id, now=now))


def _address(path: str, token: str) -> str:
    return f"{settings.PUBLIC_URL}/{path}/{quote(token, safe=':')}/"


def _signer(purpose: Purpose) -> signing.Signer:
    return signing.Signer(salt=f"rekindle.link.{purpose}")
