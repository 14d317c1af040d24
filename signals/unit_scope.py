"""Sources that are bound to a part of the organisation: whom they may report on, and what they may read."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import Any, TypeVar
from uuid import UUID

from consent.arrays import fetch, uuids
from learners.identity import resolve, resolve_at
from learners.models import Learner, OrgUnit
from signals import clock, store
from signals.models import Credential
from signals.reading import Reading, StoredRow, read_stored
from signals.xapi.credentials import MayNot, holds
from signals.xapi.faults import Fault

KIND = "unit"
T = TypeVar("T")


def fault_of(index: int) -> Fault:
    """What is said of a statement about somebody else's people."""
    return Fault(
        index,
        "$.actor",
        "is somebody outside the unit this source is bound to",
        "Send it with a credential for that unit; or correct the person's unit, or the credential's, and requeue.",
        KIND,
    )


def outsiders(actors: Iterable[bytes], unit_id: int) -> set[bytes]:
    """Those of these actors' hashes that name somebody outside the unit and all below it now.

    An actor nobody knows is not outside: the question is asked again when somebody says who it is.
    """
    return _outside(resolve(actors), unit_id)


def outsiders_then(readings: Iterable[Reading], unit_id: int) -> set[UUID]:
    """The statements whose actor's identifier named, on their day, somebody outside the unit and all below it.

    On their day, as the event is then about that person: an account may be another one's by now.
    """
    named = {reading.id: (reading.actor, reading.occurred_at.astimezone(UTC).date()) for reading in readings}
    holders = resolve_at(named.values())
    return _outside(
        {statement: holders[question] for statement, question in named.items() if question in holders},
        unit_id,
    )


def _outside(named: Mapping[T, UUID], unit_id: int) -> set[T]:
    if not named:
        return set()
    inside = OrgUnit.objects.filter(pk=unit_id).descendants(include_self=True).order_by().values("pk")
    people = set(
        Learner.objects.filter(pk__in=set(named.values()), unit__in=inside).values_list("pk", flat=True)
    )
    return {key for key, learner in named.items() if learner not in people}


def held_back(
    readings: list[Reading], credential: Credential, *, bulk: bool
) -> tuple[list[Reading], list[tuple[Reading, Fault]]]:
    """Splits off what is about people outside the source's unit. Strict: it is stored, only its event held back."""
    if credential.unit_id is None:
        return readings, []
    outside = outsiders_then((reading for reading in readings if reading.derives), credential.unit_id)
    foreign = _voiding_others(readings, credential)
    if foreign and not bulk:
        raise MayNot(
            "It is bound to a unit, and may void only what it sent itself or what is about its people."
        )
    outside |= foreign
    if not outside:
        return readings, []
    held = [
        (reading, fault_of(reading.index) if reading.id not in foreign else _fault_of_voiding(reading.index))
        for reading in readings
        if reading.id in outside
    ]
    if bulk:
        return [reading for reading in readings if reading.id not in outside], held
    for reading, _ in held:
        reading.derives = False
    return readings, held


def _voiding_others(readings: Iterable[Reading], credential: Credential) -> set[UUID]:
    """The statements that would void one which neither this source sent nor is about its unit's people."""
    targets = {reading.id: reading.voids for reading in readings if reading.voids is not None}
    if not targets:
        return set()
    rows = fetch(
        "SELECT id, stored, body FROM signals_statement WHERE id = ANY($1) AND credential_id <> $2 AND voids IS NULL",
        [uuids(list(set(targets.values()))), credential.pk],
    )
    theirs = [read_stored(StoredRow(key, stored, bytes(body), False)) for key, stored, body in rows]
    clock.recall(theirs)
    assert credential.unit_id is not None
    people = resolve_at({(reading.actor, _day(reading)) for reading in theirs})
    # Whom nobody knows is nobody's in this unit.
    strangers = {reading.id for reading in theirs if (reading.actor, _day(reading)) not in people}
    foreign = strangers | outsiders_then(theirs, credential.unit_id)
    return {key for key, target in targets.items() if target in foreign}


def _day(reading: Reading) -> date:
    return reading.occurred_at.astimezone(UTC).date()


def _fault_of_voiding(index: int) -> Fault:
    return Fault(
        index,
        "$.object.id",
        "is a statement of another source about somebody outside the unit this source is bound to",
        "Void it with the credential that sent it, or with one for that unit.",
        KIND,
    )


def unpark(rows: list[StoredRow]) -> tuple[list[StoredRow], list[tuple[StoredRow, Credential]]]:
    """(those that may become events, those whose actor turned out to be outside their source's unit)."""
    if not rows:
        return rows, []
    bound = dict(
        fetch(
            "SELECT s.id, s.credential_id FROM signals_statement s JOIN signals_credential c"
            " ON c.id = s.credential_id WHERE s.id = ANY($1) AND c.unit_id IS NOT NULL",
            [uuids([row.id for row in rows])],
        )
    )
    if not bound:
        return rows, []
    credentials = Credential.objects.in_bulk(set(bound.values()))
    refused: list[tuple[StoredRow, Credential]] = []
    for credential in credentials.values():
        own = [read_stored(row) for row in rows if bound.get(row.id) == credential.pk]
        assert credential.unit_id is not None
        clock.recall(own)
        outside = outsiders_then(own, credential.unit_id)
        refused += [(row, credential) for row in rows if row.id in outside]
    doomed = {row.id for row, _ in refused}
    if doomed:
        store.unpark(doomed)
    return [row for row in rows if row.id not in doomed], refused


# --- reading ----------------------------------------------------------------------------------------------------

_WITHIN = (
    "(credential_id = %s OR actor IN (SELECT i.hash FROM learners_identifier i"
    " JOIN learners_learner l ON l.id = i.learner_id WHERE l.unit_id = ANY(%s::bigint[])))"
)


def is_limited(credential: Credential) -> bool:
    """Whether the credential reads less than everything."""
    return credential.unit_id is not None or not holds(credential, "read")


def sight(credential: Credential) -> tuple[str, list[Any]]:
    """A condition on signals_statement, with its values, for what a limited credential may read.

    Its own statements; where it may read all and is bound to a unit, also those about the unit's people.
    """
    if credential.unit_id is None or not holds(credential, "read"):
        return "credential_id = %s", [credential.pk]
    units = OrgUnit.objects.filter(pk=credential.unit_id).descendants(include_self=True)
    return _WITHIN, [credential.pk, list(units.order_by().values_list("pk", flat=True))]
