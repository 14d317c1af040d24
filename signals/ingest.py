"""Taking statements in: checked, stored once, and turned into events in the same transaction. Stages 1 and 2.

The standard's way is all or nothing. A trusted source may instead send in bulk: what is faulty then waits in
quarantine, whole and with its reasons, and the rest is taken in.
"""

import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction
from django.dispatch import Signal

from signals import clock, links, normalize, partitions, quarantine, store, unit_scope, voiding
from signals.models import Credential
from signals.quality import notes
from signals.reading import Reading, ids_of, read
from signals.results import Held as _Held
from signals.results import Result, id_in, results_of
from signals.together import Line
from signals.xapi import attachments, bodies, definitions
from signals.xapi.attachments import NO_FILES
from signals.xapi.consistency import announced
from signals.xapi.credentials import holds
from signals.xapi.faults import MOST_FAULTS, Fault, StatementConflict, StatementFaults
from signals.xapi.multipart import File
from signals.xapi.sameness import says_the_same

__all__ = ["Fault", "Ingested", "StatementConflict", "StatementFaults", "ingest", "stored"]

# Sent after commit when something new was stored. A hint only: whoever misses it finds the rows by the beat.
stored = Signal()

TRIES = 4
# A circle of waiting writers; or an enrolment that ended, or began, under our hands.
MET_ANOTHER = frozenset({"40P01", "40001", "23505"})

SMALL = 100  # statements: a post of so many or fewer gains by being stored together with others


class Ingested(NamedTuple):
    """What became of a batch."""

    stored_ids: list[UUID]  # new, in the order given
    duplicates: list[UUID]  # were stored already, saying the same
    quarantined: list[UUID | None]  # waiting for somebody; None where not even the id could be read
    ids: list[UUID]  # everything taken in, new or not, in the order given
    faults: list[Fault]  # why the quarantined ones wait
    results: list[Result]  # in bulk: what became of each, in the order given


def ingest(
    items: Sequence[bytes],
    *,
    credential: Credential,
    now: datetime,
    bulk: bool = False,
    statement_id: UUID | None = None,
    major: int = 1,
    files: Mapping[str, File] = NO_FILES,
    rule: clock.Rule | None = None,
    arrived_at: datetime | None = None,
) -> Ingested:
    """What became of these statements (each the bytes of one).

    Strict (the default): all of them, or none and StatementFaults or StatementConflict. Bulk: faulty and
    conflicting ones are quarantined. ``statement_id`` is the id a PUT names, ``major`` the version of xAPI spoken,
    ``files`` what came along, by SHA-2 sum, ``rule`` how timestamps are taken (else by the source's own rule),
    ``arrived_at`` when they first reached us.
    """
    rule = rule or clock.rule_of(credential)
    # A small post may wait for others, so it announces itself only when it is stored; a large one while it is read.
    is_plain = not (bulk or files or rule.changes or arrived_at)
    if len(items) <= SMALL and is_plain and not connection.in_atomic_block:
        return _ingest_small(items, credential=credential, now=now, statement_id=statement_id, major=major)
    with announced(now):
        prepared = _prepare(
            items,
            credential=credential,
            now=now,
            bulk=bulk,
            statement_id=statement_id,
            major=major,
            files=files,
            rule=rule,
            arrived_at=arrived_at,
        )

        def take_in() -> Ingested:
            taken = _take_in(items, *prepared, files, credential=credential, now=now, bulk=bulk, major=major)
            clock.keep(prepared.readings, taken.stored_ids, rule, now=now)
            return taken

        return _whole(take_in)


def _whole(take_in: Callable[[], Ingested]) -> Ingested:
    """Takes in within a transaction; once more where that met another writer, who has then gone on."""
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                return take_in()
        except (OperationalError, IntegrityError) as error:
            met = getattr(error.__cause__, "sqlstate", None) in MET_ANOTHER
            if not met or not tries_left or connection.in_atomic_block:
                raise
    raise AssertionError("unreachable")


class _Prepared(NamedTuple):
    readings: list[Reading]
    sealed: list[bytes]
    held: list[_Held]


def _prepare(
    items: Sequence[bytes],
    *,
    credential: Credential,
    now: datetime,
    bulk: bool,
    statement_id: UUID | None,
    major: int,
    files: Mapping[str, File] = NO_FILES,
    rule: clock.Rule = clock.AS_SENT,
    arrived_at: datetime | None = None,
) -> _Prepared:
    """All that can be done before the transaction."""
    readings, held = _read_all(items, now=now, bulk=bulk, statement_id=statement_id, files=files)
    clock.apply(readings, rule, arrived_at=arrived_at)
    readings, late_or_early = _check_clock(readings, credential, now=now, bulk=bulk)
    readings, outside = unit_scope.held_back(readings, credential, bulk=bulk)
    held += late_or_early + [_Held(reading.raw, reading.id, [fault]) for reading, fault in outside]
    partitions.ensure({partitions.month_of(reading.occurred_at) for reading in readings if reading.derives})
    sealed = bodies.seal_many([reading.raw for reading in readings], major=major)
    return _Prepared(readings, sealed, held)


def _ingest_small(
    items: Sequence[bytes], *, credential: Credential, now: datetime, statement_id: UUID | None, major: int
) -> Ingested:
    prepared = _prepare(
        items, credential=credential, now=now, bulk=False, statement_id=statement_id, major=major
    )
    started = time.monotonic()
    if not prepared.held and all(reading.refers is None for reading in prepared.readings):
        kind = (credential.pk, major, *credential.permissions)
        taken = _line.join(kind, _Small(items, prepared, credential, major), now=now)
        if taken is not None:
            return taken
    now += timedelta(seconds=time.monotonic() - started)
    with announced(now):
        _stamp(prepared.readings, now)
        return _whole(
            lambda: _take_in(
                items, *prepared, NO_FILES, credential=credential, now=now, bulk=False, major=major
            )
        )


class _Small(NamedTuple):
    """A post that may be stored together with others of its kind (the same credential, with the same permissions)."""

    items: Sequence[bytes]
    prepared: _Prepared
    credential: Credential
    major: int


class _NotTogether(Exception):
    """Some of these statements are stored already, or came twice: whose fault that is, each must find out alone."""


def _take_in_together(kind: Hashable, posts: Sequence[_Small], now: datetime) -> list[Ingested]:
    readings = [reading for post in posts for reading in post.prepared.readings]
    if len(posts) > 1 and len({reading.id for reading in readings}) < len(readings):
        raise _NotTogether
    items = [item for post in posts for item in post.items]
    sealed = [body for post in posts for body in post.prepared.sealed]
    with announced(now):
        _stamp(readings, now)

        def take_in() -> Ingested:
            taken = _take_in(
                items,
                readings,
                sealed,
                [],
                NO_FILES,
                credential=posts[0].credential,
                now=now,
                bulk=False,
                major=posts[0].major,
            )
            if len(posts) > 1 and taken.duplicates:
                raise _NotTogether
            return taken

        taken = _whole(take_in)
    if len(posts) == 1:
        return [taken]
    return [Ingested(ids, [], [], ids, [], []) for ids in (ids_of(post.prepared.readings) for post in posts)]


_line: Line[_Small, Ingested] = Line(_take_in_together)


def _stamp(readings: Sequence[Reading], now: datetime) -> None:
    """Gives them the moment at which they are stored, a microsecond apart."""
    for number, reading in enumerate(readings):
        reading.stamp(now + timedelta(microseconds=number))


def _read_all(
    items: Sequence[bytes],
    *,
    now: datetime,
    bulk: bool,
    statement_id: UUID | None,
    files: Mapping[str, File],
) -> tuple[list[Reading], list[_Held]]:
    readings: list[Reading] = []
    held: list[_Held] = []
    by_id: dict[UUID, Reading] = {}
    for index, raw in enumerate(items):
        reading, faults = read(raw, index, now=now, statement_id=statement_id, files=files)
        if reading is None:
            held.append(_Held(raw, id_in(raw), faults))
            continue
        first = by_id.setdefault(reading.id, reading)
        if first is reading:
            readings.append(reading)
        elif not bulk or not _same(first, reading):
            fault = Fault(
                index,
                "$.id",
                f"is also the id of statement {first.index} of this batch",
                "Give each statement its own id, or send it once.",
                "conflict",
            )
            held.append(_Held(raw, reading.id, [fault]))
    if held and not bulk:
        raise StatementFaults([fault for item in held for fault in item.faults][:MOST_FAULTS])
    if files and (unclaimed := attachments.unclaimed(readings, files)):
        fault = Fault(
            0,
            "$.attachments",
            f"does not name {len(unclaimed)} of the files sent, such as {min(unclaimed)}",
            "Send only files that a statement of the request names by their SHA-2 sums.",
            "unknown",
        )
        raise StatementFaults([fault])
    return readings, held


def _same(one: Reading, other: Reading) -> bool:
    return one.digest == other.digest or says_the_same(one.statement, other.statement)


def in_time(moment: datetime, credential: Credential, *, now: datetime) -> bool:
    """Whether a clock that says this can be believed."""
    start, end = _span(credential, now)
    return start <= moment <= end


def _span(credential: Credential, now: datetime) -> tuple[datetime, datetime]:
    day = max(partitions.earliest_day(), credential.first_day or partitions.earliest_day())
    return datetime(day.year, day.month, day.day, tzinfo=UTC), now + partitions.AHEAD_ALLOWED


def _check_clock(
    readings: list[Reading], credential: Credential, *, now: datetime, bulk: bool
) -> tuple[list[Reading], list[_Held]]:
    """Splits off what a wrong clock dated.

    In bulk it is not taken in. Otherwise the standard wants it stored, so it is; only its event is held back.
    """
    start, end = _span(credential, now)
    if all(start <= reading.occurred_at <= end for reading in readings):
        return readings, []
    held: list[_Held] = []
    for reading in readings:
        if not start <= reading.occurred_at <= end:
            ahead = reading.occurred_at > end
            fault = Fault(
                reading.index,
                "$.timestamp",
                "is more than 10 minutes ahead"
                if ahead
                else f"is before {start.date()}, this source's first day",
                "Set the sending system's clock right and send the statement again."
                if ahead
                else "Correct the timestamp, or set an earlier first day on the source's credential.",
                "timestamp",
            )
            held.append(_Held(reading.raw, reading.id, [fault]))
    wrong = {item.statement_id for item in held}
    if bulk:
        return [reading for reading in readings if reading.id not in wrong], held
    for reading in readings:
        reading.derives = reading.derives and reading.id not in wrong
    return readings, held


def _take_in(
    items: Sequence[bytes],
    readings: list[Reading],
    sealed: list[bytes],
    held: list[_Held],
    files: Mapping[str, File],
    *,
    credential: Credential,
    now: datetime,
    bulk: bool,
    major: int,
) -> Ingested:
    backfill = Credential.Permission.BACKFILL in credential.permissions
    interpreted = normalize.interpret(readings, now=now, backfill=backfill)
    written = store.Written(set(), set())
    to_void: set[UUID] = set()
    if readings:
        packed = store.pack(
            readings, interpreted.events, interpreted.parked, sealed, credential_id=credential.pk, now=now
        )
        written = store.write_statements(packed)
    old = written.old
    conflicting = _conflicts([reading for reading in readings if reading.id in old]) if old else []
    if conflicting and not bulk:
        raise StatementConflict([reading.id for reading in conflicting])
    if old:
        notes.resent(len(old) - len(conflicting), credential=credential, now=now)
    ids = [reading.id for reading in readings]
    new = [key for key in ids if key not in old] if old else ids
    if new:
        _take_along([reading for reading in readings if reading.id not in old] if old else readings, files)
        if holds(credential, "define"):
            definitions.learn(readings, now=now)
        # From here on others who write about the same people wait. Every writer takes first statements, each batch in
        # the order of their ids, and then marks in theirs: no two wait for each other.
        leave_out = written.old | written.void
        to_void = {r.voids for r in readings if r.voids is not None and r.id not in old}
        store.lock_marks(
            _touched(readings, interpreted.events, leave_out) | interpreted.waking() | voiding.claim(to_void)
        )
        store.write_events(packed, leave_out=leave_out, now=now)
    if interpreted.endings or interpreted.unknown_verbs or interpreted.wakes:
        normalize.settle(interpreted, set(new), now=now)
    if to_void:
        voiding.void(to_void, now=now)
    if not bulk:
        held = [item for item in held if item.statement_id not in old]
    held = held + [_conflict(reading) for reading in conflicting]
    turned_away: list[_Held] = []
    if held:
        held, turned_away = quarantine.hold(held, credential=credential, now=now, major=major, bulk=bulk)
    if new:
        transaction.on_commit(lambda: _tell(len(new)))
    refused = {reading.id for reading in conflicting}
    return Ingested(
        stored_ids=new,
        duplicates=[key for key in ids if key in old and key not in refused] if old else [],
        quarantined=[item.statement_id for item in held] if bulk else [],
        ids=[key for key in ids if key not in refused] if refused else ids,
        faults=[fault for item in [*held, *turned_away] for fault in item.faults][:MOST_FAULTS]
        if bulk
        else [],
        results=results_of(items, readings, new=set(new), held=held, turned_away=turned_away) if bulk else [],
    )


def _touched(
    readings: Sequence[Reading], events: Sequence[store.NewEvent | None], leave_out: Collection[UUID]
) -> set[int]:
    """The enrolments that these statements say something new about."""
    return {
        event.enrolment_id
        for reading, event in zip(readings, events, strict=True)
        if event is not None and event.enrolment_id and reading.id not in leave_out
    }


def _take_along(new: Sequence[Reading], files: Mapping[str, File]) -> None:
    """What these new statements bring besides themselves: their files, and what they say about other statements."""
    if files:
        attachments.keep(new, files)
    links.connect(new)


def _conflicts(known: Sequence[Reading]) -> list[Reading]:
    """Those that say something else than what is stored under their id."""
    if not known:
        return []
    forms = store.stored_forms([reading.id for reading in known])
    return [
        reading
        for reading in known
        if forms[reading.id][0] != reading.digest
        and not says_the_same(bodies.decode(forms[reading.id][1]), reading.statement)
    ]


def _conflict(reading: Reading) -> _Held:
    fault = Fault(
        reading.index,
        "$.id",
        "is already stored with other content",
        "Give a new statement a new id; to correct one, void it first.",
        "conflict",
    )
    return _Held(reading.raw, reading.id, [fault])


def _tell(count: int) -> None:
    # Robust: what is stored is stored, whatever a listener makes of it.
    stored.send_robust(sender=ingest, count=count)
