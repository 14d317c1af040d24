"""Whom an identifier names, and how identifiers come and go."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Greatest

from consent.arrays import byteas, fetch
from learners.identity.canonical import canonical, identifier_hash
from learners.models import Identifier, Learner


class IdentifierTaken(Exception):
    """The identifier already names somebody else."""

    def __init__(self, kind: str, holder: UUID) -> None:
        self.kind, self.holder = kind, holder
        super().__init__(
            f"This {Identifier.Kind(kind).label} already names learner {holder}. Close it there first; if "
            "both are one person, keep one record."
        )


def resolve(hashes: Iterable[bytes], *, on: date | None = None) -> dict[bytes, UUID]:
    """Which learner each identifier names now (or named on a date); an unknown one is missing."""
    wanted = {bytes(one) for one in hashes}
    if not wanted:
        return {}
    if on is None:  # what every batch of statements asks
        rows_now = fetch(
            "SELECT hash, learner_id FROM learners_identifier"
            " WHERE hash = ANY($1) AND valid_to IS NULL ORDER BY id",
            [byteas(list(wanted))],
        )
        return {bytes(found): learner_id for found, learner_id in rows_now}
    valid = (Q(valid_from__isnull=True) | Q(valid_from__lte=on)) & (
        Q(valid_to__isnull=True) | Q(valid_to__gt=on)
    )
    # Oldest first: should a closed identifier overlap a later one, the later one is right.
    rows = Identifier.objects.filter(valid, hash__in=wanted).order_by("pk").values_list("hash", "learner_id")
    return {bytes(found): learner_id for found, learner_id in rows}


def add_identifier(
    *, learner: Learner, kind: str, value: str, now: datetime, valid_from: date | None = None
) -> Identifier:
    """The open identifier that names this learner; made if it does not exist. Raises IdentifierTaken.

    It counts from `valid_from`, else from today.
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
                    "valid_from": valid_from or now.date(),
                },
            )
    except IntegrityError:  # somebody took it between our look and our write
        identifier = Identifier.objects.get(hash=hashed, valid_to=None)
    if identifier.learner_id != learner.pk:
        raise IdentifierTaken(kind, identifier.learner_id)
    return identifier


def change_address(*, learner: Learner, old: str, new: str, now: datetime) -> None:
    """Makes the new e-mail address name the learner and the old one nobody. Raises IdentifierTaken."""
    hashes = [identifier_hash(canonical("mbox", address)) if address else None for address in (old, new)]
    if hashes[0] == hashes[1] and old:  # written differently, the same to us
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
