"""Applies a roster: all of it in one transaction, or nothing of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Coalesce, Greatest

from consent import audit
from consent.actors import SYSTEM, Party
from learners.identity import given_hash
from learners.models import Identifier, JobRole, Learner, OrgUnit, Oversight, User
from learners.rolenames import ROSTER, note_made
from learners.roster.comparing import Comparison, Difference, Writes
from learners.roster.known import Known
from learners.roster.reading import Fault, RosterFaults, Row, read
from learners.zones import known_zones

T = TypeVar("T")
Progress = Callable[[Iterable[Any], str], Iterable[Any]]

ROWS_AT_ONCE = 1000
ONE_ROSTER_AT_A_TIME = 7_301_114  # the number of an advisory lock, the same in every process
LEARNER_FIELDS = (
    "employee_hash",
    "employee_number",
    "name",
    "email",
    "unit",
    "job_role",
    "role_since",
    "time_zone",
    "language",
    "started_on",
    "left_on",
    "leave_from",
    "leave_until",
)
# Not the password: whoever has one keeps it.
USER_FIELDS = ("login_hash", "login", "name", "roles", "learner", "is_active")


def silently(items: Iterable[Any], _label: str) -> Iterable[Any]:
    return items


def import_people(
    content: bytes,
    *,
    now: datetime,
    by: Party = SYSTEM,
    dry_run: bool = False,
    missing_left: bool = False,
    progress: Progress = silently,
) -> Difference:
    """What the roster changed (or would, in a dry run). Raises RosterFaults, and then nothing has changed."""
    languages = frozenset(code for code, _ in settings.LANGUAGES)
    sheet = read(content, zones=known_zones(), languages=languages)
    if not sheet.rows:
        raise RosterFaults(sheet.faults)
    # What the database has to say is found as well, so that one round of mending is enough; of somebody who is in
    # the file twice it is asked about the first.
    people = {row.key: row for row in reversed(sheet.rows) if row.employee_id}
    rows = sorted(people.values(), key=lambda row: row.line)
    with transaction.atomic():
        wait_for_turn()
        known = Known(lock=not dry_run)
        comparison = bring_in_line(
            known,
            rows,
            now=now,
            faults=sheet.faults,
            dry_run=dry_run,
            missing_left=missing_left,
            progress=progress,
        )
        comparison.difference.ignored = sheet.ignored
        if not dry_run and not comparison.difference.is_empty:
            made = [(role, known.resemblance.get(role.name)) for role in comparison.writes.job_roles]
            note_made(made, source=ROSTER, now=now)
            _leave_trace(comparison.difference, by=by, now=now)
    return comparison.difference


def wait_for_turn() -> None:
    """Inside a transaction: whoever changes people comes one after another, whatever the source."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_ROSTER_AT_A_TIME])


def bring_in_line(
    known: Known,
    rows: Sequence[Row],
    *,
    now: datetime,
    faults: Sequence[Fault] = (),
    dry_run: bool = False,
    missing_left: bool = False,
    progress: Progress = silently,
) -> Comparison:
    """Writes what these rows change, after `wait_for_turn`. Raises RosterFaults, and then nothing is written."""
    comparison = Comparison(known, today=now.date(), missing_left=missing_left)
    comparison.compare(rows, progress=progress)
    found = list(dict.fromkeys([*faults, *comparison.faults]))
    if found:
        raise RosterFaults(found)
    if not dry_run and not comparison.difference.is_empty:
        _write(comparison.writes, now.date(), progress)
    return comparison


def _write(writes: Writes, today: date, progress: Progress) -> None:
    for level in _levels(writes.units):
        OrgUnit.objects.bulk_create(level)
    JobRole.objects.bulk_create(writes.job_roles)
    JobRole.objects.bulk_update(writes.changed_roles, ["impact"], batch_size=ROWS_AT_ONCE)
    Identifier.objects.filter(pk__in=writes.closed_identifiers).update(
        valid_to=Greatest(today, Coalesce("valid_from", today))
    )
    respelled = list(Identifier.objects.filter(pk__in=writes.respelled, kind=Identifier.Kind.MBOX))
    for identifier in respelled:
        identifier.value = writes.respelled[identifier.pk]
        identifier.given_hash = given_hash(identifier.kind, identifier.value)
    Identifier.objects.bulk_update(respelled, ["value", "given_hash"], batch_size=ROWS_AT_ONCE)
    for batch in progress(list(_batches(writes.learners)), "Writing"):
        Learner.objects.bulk_create(
            batch, update_conflicts=True, unique_fields=["id"], update_fields=LEARNER_FIELDS
        )
    for users in _batches(list(writes.users.values())):
        User.objects.bulk_create(
            users, update_conflicts=True, unique_fields=["id"], update_fields=USER_FIELDS
        )
    Identifier.objects.bulk_create(writes.opened_identifiers, batch_size=ROWS_AT_ONCE)
    Oversight.objects.filter(pk__in=writes.closed_oversight).update(to_date=Greatest("from_date", today))
    Oversight.objects.bulk_create(writes.opened_oversight, batch_size=ROWS_AT_ONCE)


def _levels(units: list[OrgUnit]) -> Iterator[list[OrgUnit]]:
    """Those whose parent has a row, then those below them, and so on."""
    while units:
        ready = [unit for unit in units if unit.parent is None or unit.parent.pk]
        units = [unit for unit in units if unit not in ready]
        yield ready


def _batches(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), ROWS_AT_ONCE):
        yield items[start : start + ROWS_AT_ONCE]


def _leave_trace(difference: Difference, *, by: Party, now: datetime) -> None:
    audit.record(
        actor=by,
        action="roster.imported",
        target=SYSTEM,
        now=now,
        detail={
            "added": len(difference.added),
            "changed": len(difference.changed),
            "managers": len(difference.managers),
            "coaches": len(difference.coaches),
            "accounts": len(difference.accounts),
            "leavers": len(difference.leavers),
        },
    )
