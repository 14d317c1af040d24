"""How statements and events are written: two SQL statements for a whole batch.

Arrays go to PostgreSQL in binary form and are unnested there; events, results and marks follow only from the
statements that were really new. The lock on the enrolments' marks, in order of id, makes ``known_seq`` a gapless order
of knowing: what commits later has the higher number. It is taken after the statements are stored, so that writers
about the same people wait for each other as shortly as can be.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connection

from consent.arrays import bools, byteas, fetch, float8s, int2s, int4s, int8s, moments, uuids
from signals.reading import StoredRow
from signals.xapi.keys import verb_key

if TYPE_CHECKING:
    from signals.reading import Reading


class NewEvent(NamedTuple):
    """An event before it has its number."""

    learner_id: UUID
    enrolment_id: int | None
    occurred_at: datetime
    known_at: datetime | None  # None: when it is stored
    verb: int
    activity: int
    activity_type: int | None
    amount: int
    scaled: float | None
    success: bool | None
    duration_s: int | None
    progress: float | None
    is_result: bool
    is_item: bool
    value: float | None = None
    session: int | None = None
    background_s: int | None = None
    device: int | None = None
    network: int | None = None


_EVENT_COLUMNS = (
    "learner_id uuid, enrolment_id bigint, occurred_at timestamptz, known_at timestamptz, canon smallint,"
    " activity bigint, activity_type bigint, amount integer, scaled float8, success boolean, duration_s integer,"
    " progress float8, is_result boolean, is_item boolean, value float8, session bigint, background_s integer,"
    " device smallint, network smallint"
)
_STATEMENT_COLUMNS = (
    "id uuid, stored timestamptz, verb bigint, actor bytea, first_key integer, last_key integer, digest bytea,"
    " body bytea, voids uuid, parked boolean"
)


def _unnest(columns: str, first: int) -> str:
    """The columns as rows; their arrays are the values numbered from ``first`` on."""
    pairs = [column.split() for column in columns.split(", ")]
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(pairs, first))
    names = ", ".join(name for name, _ in pairs)
    return f"unnest({arrays}) WITH ORDINALITY AS t({names}, ord)"


# What follows from the statements that were new ("won"): the same whether they are stored now or were parked.
_CONSEQUENCES = """
, numbered AS (
    SELECT i.*,
           CASE WHEN i.enrolment_id IS NULL THEN 0
                ELSE m.known_seq + row_number() OVER (PARTITION BY i.enrolment_id ORDER BY i.ord) END AS seq
    FROM input i LEFT JOIN signals_enrolmentmark m ON m.enrolment_id = i.enrolment_id
    -- The plan is made once for batches of any size. "IS TRUE" keeps it from being a join, which for the ten rows
    -- that the planner expects would compare each with each.
    WHERE i.learner_id IS NOT NULL AND (i.id IN (SELECT id FROM won WHERE voided_at IS NULL)) IS TRUE
), event AS (
    INSERT INTO signals_event (occurred_at, statement_id, learner_id, enrolment_id, known_at, known_seq, verb, activity,
        activity_type, amount, scaled, success, duration_s, progress, value, session, background_s, device, network)
    SELECT occurred_at, id, learner_id, enrolment_id, coalesce(known_at, stored), seq, canon, activity,
        activity_type, amount, scaled, success, duration_s, progress, value, session, background_s, device, network
    FROM numbered ORDER BY occurred_at  -- neighbours in the index of moments
), result AS (
    INSERT INTO signals_assessmentresult (statement_id, learner_id, enrolment_id, occurred_at, known_seq, activity,
        scaled, success, is_item)
    SELECT id, learner_id, enrolment_id, occurred_at, seq, activity, scaled, success, is_item
    FROM numbered WHERE is_result
), touched AS (
    SELECT enrolment_id, max(seq) AS seq, array_agg(DISTINCT (occurred_at AT TIME ZONE 'UTC')::date) AS days
    FROM numbered WHERE enrolment_id IS NOT NULL GROUP BY enrolment_id
), mark AS (
    UPDATE signals_enrolmentmark m SET
        known_seq = touched.seq,
        dirty_days = CASE WHEN m.dirty_days @> touched.days THEN m.dirty_days
            ELSE (SELECT array_agg(DISTINCT day ORDER BY day) FROM unnest(m.dirty_days || touched.days) day) END,
        dirty_since = coalesce(m.dirty_since, $1)
    FROM touched WHERE m.enrolment_id = touched.enrolment_id
)
"""

_WRITE_STATEMENTS = (
    f"WITH input AS MATERIALIZED (SELECT * FROM {_unnest(_STATEMENT_COLUMNS, 4)})"
    """
, won AS (
    INSERT INTO signals_statement (id, stored, credential_id, verb, actor, search_keys, digest, body, voids, parked,
        voided_at)
    SELECT id, stored, $2::uuid, verb, actor,
        ($3::bigint[])[first_key:last_key], digest, body, voids, parked,
        -- Its voiding came first. (A voiding statement itself cannot be voided.)
        CASE WHEN voids IS NULL AND EXISTS (SELECT 1 FROM signals_statement v WHERE v.voids = input.id)
            THEN $1::timestamptz END
    FROM input ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, voided_at
)
-- Those that were stored before or are void: almost always none, so almost nothing travels back.
SELECT id, true FROM input WHERE (id IN (SELECT id FROM won)) IS NOT TRUE
UNION ALL SELECT id, false FROM won WHERE voided_at IS NOT NULL
"""
)

_WRITE_EVENTS = (
    "WITH input AS MATERIALIZED"
    f" (SELECT * FROM {_unnest('id uuid, stored timestamptz, ' + _EVENT_COLUMNS, 3)})"
    """
, won AS (
    SELECT id, NULL::timestamptz AS voided_at FROM input WHERE (id IN (SELECT unnest($2::uuid[]))) IS NOT TRUE
)""" + _CONSEQUENCES + "SELECT 1 WHERE false"
)

_UNPARK = (
    "WITH input AS MATERIALIZED (SELECT t.*, $1::timestamptz AS stored"
    f" FROM {_unnest('id uuid, ' + _EVENT_COLUMNS, 2)})"
    """
, won AS (
    UPDATE signals_statement s SET parked = false FROM input
    WHERE s.id = input.id AND s.parked
    RETURNING s.id, s.voided_at
)""" + _CONSEQUENCES + "SELECT id FROM won"
)


def _event_arrays(events: Iterable[NewEvent | None]) -> list[Any]:
    nothing = (None,) * len(NewEvent._fields)
    columns = list(zip(*(event if event is not None else nothing for event in events), strict=True))
    return [pack(column) for pack, column in zip(_EVENT_PACKERS, columns, strict=True)]


_EVENT_PACKERS: tuple[Callable[[Sequence[Any]], Any], ...] = (
    uuids,
    int8s,
    moments,
    moments,
    int2s,
    int8s,
    int8s,
    int4s,
    float8s,
    bools,
    int4s,
    float8s,
    bools,
    bools,
    float8s,
    int8s,
    int4s,
    int2s,
    int2s,
)


class Packed(NamedTuple):
    """A batch in PostgreSQL's own form."""

    statements: list[Any]
    events: list[Any]


class Written(NamedTuple):
    """What was not simply stored: ids of those that were stored before, and of those whose voiding came first."""

    old: set[UUID]
    void: set[UUID]


def pack(
    readings: Sequence["Reading"],
    events: Sequence[NewEvent | None],
    parked: Sequence[bool],
    sealed: Sequence[bytes],
    *,
    credential_id: UUID,
    now: datetime,
) -> Packed:
    """A batch, ready to be written. Done before any lock is taken: others wait for what we do under it."""
    keys: list[int] = []
    first: list[int] = []
    last: list[int] = []
    for reading in readings:
        first.append(len(keys) + 1)
        keys += reading.keys()
        last.append(len(keys))
    ids = uuids([reading.id for reading in readings])
    stored = moments([reading.stored for reading in readings])
    statements = [
        now,
        credential_id,
        int8s(keys),
        ids,
        stored,
        int8s([verb_key(reading.verb) for reading in readings]),
        byteas([reading.actor for reading in readings]),
        int4s(first),
        int4s(last),
        byteas([reading.digest for reading in readings]),
        byteas(sealed),
        uuids([reading.voids for reading in readings]),
        bools(parked),
    ]
    return Packed(statements, [ids, stored, *_event_arrays(events)])


def write_statements(packed: Packed) -> Written:
    """Stores those that are new."""
    rows = fetch(_WRITE_STATEMENTS, packed.statements)
    return Written({key for key, is_old in rows if is_old}, {key for key, is_old in rows if not is_old})


def write_events(packed: Packed, *, leave_out: Collection[UUID], now: datetime) -> None:
    """Writes what follows from the new statements. Under the locks on the marks of their enrolments."""
    fetch(_WRITE_EVENTS, [now, uuids(list(leave_out)), *packed.events])


def write_unparked(ids: Sequence[UUID], events: Sequence[NewEvent | None], *, now: datetime) -> set[UUID]:
    """The ids of the statements that were parked and no longer are; their events are written."""
    if not ids:
        return set()
    return {row[0] for row in fetch(_UNPARK, [now, uuids(ids), *_event_arrays(events)])}


def lock_marks(enrolment_ids: Collection[int]) -> dict[int, int]:
    """How much is known of each of these enrolments, locked until the transaction ends; makes missing marks."""
    wanted = sorted(enrolment_ids)
    if not wanted:
        return {}
    locked = _lock(wanted)
    if len(locked) < len(wanted):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO signals_enrolmentmark (enrolment_id, known_seq, dirty_days)"
                " SELECT id, 0, '{}' FROM unnest(%s::bigint[]) id ON CONFLICT DO NOTHING",
                [[key for key in wanted if key not in locked]],
            )
        locked = _lock(wanted)
    return locked


def _lock(wanted: list[int]) -> dict[int, int]:
    rows = fetch(
        "SELECT enrolment_id, known_seq FROM signals_enrolmentmark WHERE enrolment_id = ANY($1)"
        " ORDER BY enrolment_id FOR UPDATE",
        [int8s(wanted)],
    )
    return {enrolment: seq for enrolment, seq in rows}


def already_stored(ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that are stored."""
    return {row[0] for row in fetch("SELECT id FROM signals_statement WHERE id = ANY($1)", [uuids(ids)])}


def stored_forms(ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, bytes]]:
    """The digest and sealed body of each stored statement."""
    rows = fetch("SELECT id, digest, body FROM signals_statement WHERE id = ANY($1)", [uuids(ids)])
    return {key: (bytes(digest), bytes(body)) for key, digest, body in rows}


def park(ids: Sequence[UUID]) -> None:
    """Marks stored statements as waiting for their event."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE signals_statement SET parked = true WHERE id = ANY(%s)", [list(ids)])


def unpark(ids: Collection[UUID]) -> None:
    """Marks stored statements as waiting no longer, without an event."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE signals_statement SET parked = false WHERE id = ANY(%s)", [list(ids)])


# An identifier's rows in short: when this changes, what it named nobody for may name somebody.
_IDENTIFIER_NOW = """
SELECT md5(string_agg(concat_ws(' ', i.id, coalesce(i.valid_from::text, '-'), coalesce(i.valid_to::text, '-'),
    i.learner_id), ',' ORDER BY i.id)) AS seen
FROM learners_identifier i WHERE i.hash = s.actor OR i.given_hash = s.actor
"""

_CLAIM_PARKED = f"""
SELECT s.id, s.stored, s.body, c.permissions @> '{{backfill}}', now.seen
FROM signals_statement s
JOIN signals_credential c ON c.id = s.credential_id
CROSS JOIN LATERAL ({_IDENTIFIER_NOW}) AS now
LEFT JOIN signals_parkedoutside o ON o.statement_id = s.id
WHERE s.parked AND s.voided_at IS NULL
  AND s.actor IN (SELECT hash FROM learners_identifier UNION ALL
                  SELECT given_hash FROM learners_identifier WHERE given_hash IS NOT NULL)
  AND o.seen IS DISTINCT FROM now.seen
ORDER BY s.stored, s.id LIMIT %s FOR UPDATE OF s SKIP LOCKED
"""

_NOTE_OUTSIDE = """
INSERT INTO signals_parkedoutside (statement_id, seen)
SELECT id, seen FROM unnest(%s::uuid[], %s::text[]) n(id, seen) ORDER BY id
ON CONFLICT (statement_id) DO UPDATE SET seen = excluded.seen
"""


def claim_parked(*, limit: int) -> dict[StoredRow, str]:
    """Parked statements whose actor's identifier names (or named) somebody, claimed by this transaction.

    With each, the identifier's state for `note_outside`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_PARKED, [limit])
        return {
            StoredRow(key, stored, bytes(body), backfill): seen
            for key, stored, body, backfill, seen in cursor.fetchall()
        }


def note_outside(seen: Mapping[UUID, str]) -> None:
    """These statements stay parked: on their day the identifier named nobody. Asked again once it changes."""
    if seen:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_OUTSIDE, [list(seen), list(seen.values())])
