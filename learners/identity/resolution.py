"""Whom an identifier names, and how identifiers come and go."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Coalesce, Greatest

from consent.arrays import byteas, fetch
from learners.identity.canonical import canonical, employee_hash, identifier_hash
from learners.models import Identifier, Learner


class IdentifierTaken(Exception):
    """The identifier already names somebody else."""

    def __init__(self, kind: str, holder: UUID) -> None:
        self.kind, self.holder = kind, holder
        super().__init__(
            f"This {Identifier.Kind(kind).label} already names learner {holder}. Close it there first; if "
            "both are one person, keep one record."
        )


class Span(NamedTuple):
    """Whom an identifier names from one day until the day before another; None is without end."""

    valid_from: date | None
    valid_to: date | None
    learner_id: UUID

    def covers(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day < self.valid_to
        )


# An address may be met by a second spelling. Should that be another person's own, the own one is right: it comes last.
_SPANS = """
SELECT given_hash, valid_from, valid_to, learner_id, 0 AS own, id FROM learners_identifier WHERE given_hash = ANY($1)
UNION ALL
SELECT hash, valid_from, valid_to, learner_id, 1, id FROM learners_identifier WHERE hash = ANY($1)
ORDER BY own, id
"""


def spans(hashes: Iterable[bytes]) -> dict[bytes, list[Span]]:
    """Whom each identifier names, and when; one query. Where several cover a day, the last is right."""
    wanted = {bytes(one) for one in hashes}
    found: dict[bytes, list[Span]] = {}
    if wanted:
        for hashed, valid_from, valid_to, learner_id, _, _ in fetch(_SPANS, [byteas(list(wanted))]):
            found.setdefault(bytes(hashed), []).append(Span(valid_from, valid_to, learner_id))
    return found


def holder(found: Sequence[Span], day: date) -> UUID | None:
    """Whom an identifier with these spans names on a day."""
    for span in reversed(found):
        if span.covers(day):
            return span.learner_id
    return None


def resolve(hashes: Iterable[bytes], *, on: date | None = None) -> dict[bytes, UUID]:
    """Which learner each identifier names now (or named on a date); an unknown one is missing."""
    found: dict[bytes, UUID] = {}
    for hashed, known in spans(hashes).items():
        if on is not None:
            learner_id = holder(known, on)
        else:  # what has no end names somebody, even if it says from when
            learner_id = next((span.learner_id for span in reversed(known) if span.valid_to is None), None)
        if learner_id is not None:
            found[hashed] = learner_id
    return found


def resolve_at(asked: Iterable[tuple[bytes, date]]) -> dict[tuple[bytes, date], UUID]:
    """Which learner each identifier named on its day; one query whatever their number."""
    wanted = set(asked)
    known: Mapping[bytes, list[Span]] = spans({hashed for hashed, _ in wanted})
    answers = {(hashed, day): holder(known.get(hashed, ()), day) for hashed, day in wanted}
    return {question: learner_id for question, learner_id in answers.items() if learner_id is not None}


def find(kind: str, value: str, *, on: date) -> Learner | None:
    """The learner whom this names on a date, whatever the kind; None where nobody is known by it.

    An employee number is found among the rosters' numbers too, which have no dates.
    """
    learner_id = resolve([hashed := identifier_hash(canonical(kind, value))], on=on).get(hashed)
    if learner_id is not None:
        return Learner.objects.get(pk=learner_id)
    if kind == Identifier.Kind.EMPLOYEE:
        return Learner.objects.filter(employee_hash=employee_hash(value)).first()
    return None


def hashes_of(learner_id: UUID) -> set[bytes]:
    """Every look-up key of what names (or named) this learner, in both spellings."""
    rows = Identifier.objects.filter(learner_id=learner_id).values_list("hash", "given_hash")
    return {bytes(one) for row in rows for one in row if one is not None}


def free_since(hashed: bytes) -> date | None:
    """The day from which an identifier may name somebody new; None where it never named anybody."""
    ended: date | None = Identifier.objects.filter(hash=hashed, valid_to__isnull=False).aggregate(
        Max("valid_to")
    )["valid_to__max"]
    return ended


def add_identifier(
    *, learner: Learner, kind: str, value: str, now: datetime, valid_from: date | None = None
) -> Identifier:
    """The open identifier that names this learner; made if it does not exist. Raises IdentifierTaken.

    It counts from `valid_from`, else from when somebody else lost it, else since ever: that we hear of an address
    today does not mean that what it did yesterday was done by nobody.
    """
    hashed = identifier_hash(canonical(kind, value))
    try:
        with transaction.atomic():
            identifier, _ = Identifier.objects.get_or_create(
                hash=hashed,
                valid_to=None,
                defaults={
                    "learner": learner,
                    "kind": kind,
                    "value": value.strip(),
                    "valid_from": valid_from or free_since(hashed),
                },
            )
    except IntegrityError:  # somebody took it between our look and our write, or holds it until later
        taken = Identifier.objects.filter(hash=hashed).order_by("valid_to").last()
        if taken is None:
            raise
        identifier = taken
        if identifier.valid_to is not None:
            raise IdentifierTaken(kind, identifier.learner_id) from None
    if identifier.learner_id != learner.pk:
        raise IdentifierTaken(kind, identifier.learner_id)
    return identifier


def change_address(*, learner: Learner, old: str, new: str, now: datetime) -> None:
    """Makes the new e-mail address name the learner and the old one nobody. Raises IdentifierTaken."""
    hashes = [identifier_hash(canonical("mbox", address)) if address else None for address in (old, new)]
    if (
        hashes[0] == hashes[1] and old
    ):  # written differently, the same to us, except to those who send its SHA-1
        for identifier in learner.identifiers.filter(hash=hashes[0], kind=Identifier.Kind.MBOX):
            identifier.value = new.strip()
            identifier.save(update_fields=["value", "given_hash"])
        return
    with transaction.atomic():
        for identifier in learner.identifiers.filter(hash=hashes[0], valid_to__isnull=True) if old else ():
            close_identifier(identifier=identifier, now=now)
        if new:
            add_identifier(learner=learner, kind=Identifier.Kind.MBOX, value=new, now=now)


def close_identifier(*, identifier: Identifier, now: datetime) -> bool:
    """Whether it was open; from today on it names nobody, and may name somebody else."""
    today = now.date()
    ended = Identifier.objects.filter(pk=identifier.pk, valid_to__isnull=True).update(
        valid_to=Greatest(today, Coalesce("valid_from", today))
    )
    return bool(ended)
