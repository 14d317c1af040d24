"""The small forms of xAPI: IRIs, ids, moments, durations, language tags. Answers are remembered: values repeat."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+\Z")
_MAILTO = re.compile(r"mailto:[^\s@<>,;]+@[^\s@<>,;]+\Z")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}\Z")
_SHA2 = re.compile(r"(?:[0-9a-fA-F]{2}){28,64}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?\Z", re.ASCII
)
_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d+(?:[.,]\d+)?)W\Z)?(?:(\d+(?:[.,]\d+)?)Y)?(?:(\d+(?:[.,]\d+)?)M)?(?:(\d+(?:[.,]\d+)?)D)?"
    r"(?:T(?=\d)(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?(?:(\d+(?:[.,]\d+)?)S)?)?\Z",
    re.ASCII,
)
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}|[IiXx](?=-))(?:-[A-Za-z0-9]{1,8})*\Z")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+\-]+/[A-Za-z0-9!#$&^_.+\-]+\s*(?:;.*)?\Z")
_VERSION = re.compile(r"(?:1\.0(?:\.\d+)?|2\.0(?:\.\d+)?)\Z")
_SECONDS = (7 * 86400, 365 * 86400, 30 * 86400, 86400, 3600, 60, 1)  # in the order of the groups of _DURATION


@lru_cache(maxsize=65536)
def is_iri(value: str) -> bool:
    """Whether this is an absolute IRI."""
    return _IRI.match(value) is not None


@lru_cache(maxsize=16384)
def is_mailto(value: str) -> bool:
    """Whether this is a mailto IRI of one address."""
    return _MAILTO.match(value) is not None


def is_sha1(value: str) -> bool:
    """Whether this is a SHA-1 sum in hexadecimal."""
    return _SHA1.match(value) is not None


def is_sha2(value: str) -> bool:
    """Whether this is a SHA-2 sum (224 to 512 bits) in hexadecimal."""
    return _SHA2.match(value) is not None


def is_uuid(value: str) -> bool:
    """Whether this is a UUID in its canonical text form."""
    return _UUID.match(value) is not None


def uuid_of(value: str) -> UUID | None:
    """The UUID, or None where this is not the canonical text form of one."""
    return UUID(value) if _UUID.match(value) else None


@lru_cache(maxsize=4096)
def is_language(value: str) -> bool:
    """Whether this is a language tag (RFC 5646)."""
    return _LANGUAGE.match(value) is not None


@lru_cache(maxsize=1024)
def is_media_type(value: str) -> bool:
    """Whether this names an Internet media type."""
    return _MEDIA_TYPE.match(value) is not None


@lru_cache(maxsize=64)
def is_version(value: str) -> bool:
    """Whether this is a version of xAPI we speak."""
    return _VERSION.match(value) is not None


@lru_cache(maxsize=4096)  # asked twice of each: is it one, and which
def moment(value: str) -> datetime | None:
    """The moment meant (without an offset: UTC), or None where it is not an ISO 8601 date and time."""
    match = _MOMENT.match(value)
    if match is None:
        return None
    fraction, sign, hours, minutes = match.groups()
    if sign == "-" and hours == "00" and minutes in (None, "00"):
        return None  # the standard forbids "minus nothing": it says that the zone is unknown
    if fraction is not None and len(fraction) > 6:
        value = value.replace(fraction, fraction[:6], 1) if value.count(fraction) == 1 else value
    try:
        found = datetime.fromisoformat(value.upper().replace(",", "."))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=8192)
def duration_seconds(value: str) -> float | None:
    """The seconds of an ISO 8601 duration, or None where it is not one. A year is 365 days, a month 30."""
    match = _DURATION.match(value)
    if match is None:
        return None
    return sum(
        float(number.replace(",", ".")) * unit
        for number, unit in zip(match.groups(), _SECONDS, strict=True)
        if number
    )
