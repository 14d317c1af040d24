"""Sources that are bound to a part of the organisation: whom they may report on, and what they may read."""

from collections.abc import Iterable
from typing import Any

from consent.arrays import byteas, fetch, uuids
from learners.models import OrgUnit
from signals import store
from signals.models import Credential
from signals.reading import Reading, StoredRow, read_stored
from signals.xapi.credentials import holds
from signals.xapi.faults import Fault

KIND = "unit"


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
    """Those of these actors' hashes that name somebody outside the unit and all below it.

    An actor nobody knows is not outside: the question is asked again when somebody says who it is.
    """
    wanted = set(actors)
    if not wanted:
        return set()
    inside = list(
        OrgUnit.objects.filter(pk=unit_id)
        .descendants(include_self=True)
        .order_by()
        .values_list("pk", flat=True)
    )
    rows = fetch(
        "SELECT i.hash, l.unit_id FROM learners_identifier i JOIN learners_learner l ON l.id = i.learner_id"
        " WHERE i.hash = ANY($1) AND i.valid_to IS NULL",
        [byteas(list(wanted))],
    )
    return {bytes(found) for found, unit in rows if unit not in inside}


def held_back(
    readings: list[Reading], credential: Credential, *, bulk: bool
) -> tuple[list[Reading], list[tuple[Reading, Fault]]]:
    """Splits off what is about people outside the source's unit. Strict: it is stored, only its event held back."""
    if credential.unit_id is None:
        return readings, []
    outside = outsiders((reading.actor for reading in readings if reading.derives), credential.unit_id)
    if not outside:
        return readings, []
    held = [
        (reading, fault_of(reading.index))
        for reading in readings
        if reading.derives and reading.actor in outside
    ]
    if bulk:
        return [reading for reading in readings if not (reading.derives and reading.actor in outside)], held
    for reading, _ in held:
        reading.derives = False
    return readings, held


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
        own = {row.id: read_stored(row).actor for row in rows if bound.get(row.id) == credential.pk}
        assert credential.unit_id is not None
        outside = outsiders(own.values(), credential.unit_id)
        refused += [(row, credential) for row in rows if own.get(row.id) in outside]
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
