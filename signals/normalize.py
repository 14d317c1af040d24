"""From statements to events: who it is about, in which course, what was done. Stage 2.

Runs inside ingest's transaction; statements of unknown people wait ("parked") until ``resolve_parked`` finds that
somebody has said who they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from consent.arrays import fetch, int8s, texts, uuids
from consent.gate import filter_allowed
from consent.scopes import Scope
from learners.identity import holder, spans
from signals import (
    certificates,
    clock,
    links,
    partitions,
    quarantine,
    store,
    surroundings,
    unit_scope,
    voiding,
    waking,
)
from signals.endings import ENDS, Ending, end, state_after
from signals.models import UnknownVerb, Verb
from signals.reading import Reading, read_stored
from signals.xapi.keys import activity_key, activity_type_key
from signals.xapi.primitives import duration_seconds

# How often something happened, where a source sends counts instead of single events (a whole number above 0, among
# the extensions of context or result).
COUNT_EXTENSION = "https://w3id.org/rekindle/xapi/count"
# Progress: cmi5 counts 0 to 100, the video profile 0 to 1.
CMI5_PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"
VIDEO_PROGRESS = "https://w3id.org/xapi/video/extensions/progress"

LARGEST_INTEGER = 2**31 - 1
RESULT_VERBS = frozenset(
    {Verb.PASSED, Verb.FAILED, Verb.SCORED, Verb.ANSWERED, Verb.COMPLETED, Verb.ATTEMPTED, Verb.TERMINATED}
)
ITEM_TYPES = frozenset(
    {
        "http://adlnet.gov/expapi/activities/cmi.interaction",
        "http://adlnet.gov/expapi/activities/question",
        "http://adlnet.gov/expapi/activities/interaction",
    }
)


class Course(NamedTuple):
    id: int
    iri: str
    starts_on: date | None
    length_days: int | None
    pass_mark: float


class Enrolment(NamedTuple):
    id: int
    starts_on: date
    active: bool
    ended_at: datetime | None


class Interpreted(NamedTuple):
    """What a batch of statements means: per statement its event or None, and whether it waits for its actor."""

    events: list[store.NewEvent | None]
    parked: list[bool]
    endings: list[Ending]
    unknown_verbs: dict[str, list[UUID]]
    earned: Sequence[certificates.NewCertificate] = ()
    wakes: Mapping[UUID, Sequence[int]] = {}  # statement → the enrolments it has looked at again

    def waking(self) -> set[int]:
        """The enrolments that any of it has looked at again."""
        return {enrolment for woken in self.wakes.values() for enrolment in woken}


def interpret(readings: Sequence[Reading], *, now: datetime, backfill: bool) -> Interpreted:
    """What these statements mean, given what is known now. Creates the enrolments they register.

    Five queries for a batch of any size, seven where it speaks of certificates. Call it inside the transaction
    that stores the statements.
    """
    known = _who(readings)
    parked = [reading.derives and reading.who not in known for reading in readings]
    allowed = filter_allowed(set(known.values()), Scope.RECORD) if known else set()
    # From here on by the actor's key: hashing a UUID costs more than all the rest of a look-up.
    learners = {actor: learner for actor, learner in known.items() if learner in allowed}
    concerned = [reading for reading in readings if reading.derives and reading.who in learners]
    if not concerned:
        return Interpreted([None] * len(readings), parked, [], {})
    verbs = _canonical_verbs({reading.verb for reading in concerned})
    courses = _courses({iri for reading in concerned for iri in reading.places})
    enrolments = _enrolments(learners, courses)
    if _register(concerned, learners, verbs, courses, enrolments):
        enrolments = _enrolments(learners, courses)

    events: list[store.NewEvent | None] = []
    endings: list[Ending] = []
    unknown: dict[str, list[UUID]] = {}
    earned: list[certificates.NewCertificate] = []
    wakes: dict[UUID, UUID] = {}
    for reading in readings:
        learner = learners.get(reading.who) if reading.derives else None
        if learner is None:
            events.append(None)
            continue
        verb = verbs.get(reading.verb)
        if verb is None:
            unknown.setdefault(reading.verb, []).append(reading.id)
            verb = Verb.OTHER
        course, enrolment = _place(reading, courses, enrolments[reading.who])
        state = ENDS.get(verb)
        ends = (
            state is not None
            and enrolment is not None
            and course is not None
            and course.iri == reading.places[0]
        )
        event = _event(
            reading,
            learner,
            verb,
            course,
            enrolment,
            ends=ends,
            known_at=None if not backfill else reading.occurred_at,
        )
        events.append(event)
        if event.verb in certificates.VERBS:
            certificate = certificates.of(reading, event, course.id if course else None)
            if certificate is not None:
                earned.append(certificate)
            if certificate is not None or waking.concerns(
                verb, event.enrolment_id, event.occurred_at, now=now
            ):
                wakes[reading.id] = learner
        if ends and enrolment is not None and state is not None:
            state = state_after(verb, event.success)
            endings.append(Ending(reading.id, enrolment.id, state, reading.occurred_at))
    of = waking.enrolments_of(set(wakes.values()))
    return Interpreted(
        events,
        parked,
        endings,
        unknown,
        certificates.with_competencies(earned),
        {statement: of.get(learner, ()) for statement, learner in wakes.items()},
    )


def _who(readings: Sequence[Reading]) -> dict[bytes, UUID]:
    """The learners these statements are about, by a key that each reading is given; one query.

    An identifier names whomever it named on the statement's (UTC) day: an address may be another person's by now.
    """
    found = spans({reading.actor for reading in readings if reading.derives})
    known: dict[bytes, UUID] = {}
    for reading in readings:
        reading.who = reading.actor
        held = found.get(reading.actor)
        if held is None or not reading.derives:
            continue
        if len(held) == 1 and held[0].valid_from is None and held[0].valid_to is None:  # almost always
            known[reading.actor] = held[0].learner_id
            continue
        learner = holder(held, reading.occurred_at.astimezone(UTC).date())
        # One identifier may mean two people within a batch, so the person is part of the key.
        reading.who = reading.actor + learner.bytes if learner else b""
        if learner is not None:
            known[reading.who] = learner
    return known


def settle(interpreted: Interpreted, stored: set[UUID], *, now: datetime) -> None:
    """What follows from newly stored statements beside their events: enrolments ended, certificates, people woken.

    Counts the verbs nobody has mapped yet. Under the locks on the marks of their enrolments, and of ``waking()``.
    """
    ending = [item for item in interpreted.endings if item.statement_id in stored]
    if ending:
        end(ending)
    certificates.keep(one for one in interpreted.earned if one.statement_id in stored)
    waking.wake({one for key in stored & interpreted.wakes.keys() for one in interpreted.wakes[key]}, now=now)
    seen = {
        iri: count
        for iri, ids in interpreted.unknown_verbs.items()
        if (count := len(stored.intersection(ids)))
    }
    if seen:
        UnknownVerb.count(seen, now=now)


def resolve_parked(*, now: datetime, limit: int = 500) -> int:
    """How many parked statements were turned into events, or found to be of nobody who is (or wants to be) known."""
    voiding.settle_late(now=now, limit=limit)
    links.settle_late(now=now, limit=limit)
    with transaction.atomic():
        claimed = store.claim_parked(limit=limit)
        seen = {row.id: digest for row, digest in claimed.items()}
        rows, refused = unit_scope.unpark(list(claimed))
        for row, credential in refused:
            quarantine.hold_stored(row, unit_scope.fault_of(0), credential=credential, now=now)
        done = len(refused)
        for backfill in (False, True):
            readings = [read_stored(row) for row in rows if row.backfill is backfill]
            if readings:
                done += _derive(readings, seen, now=now, backfill=backfill)
    return done


def _derive(readings: Sequence[Reading], seen: dict[UUID, str], *, now: datetime, backfill: bool) -> int:
    clock.recall(readings)
    partitions.ensure({partitions.month_of(reading.occurred_at) for reading in readings})
    interpreted = interpret(readings, now=now, backfill=backfill)
    store.lock_marks(
        {event.enrolment_id for event in interpreted.events if event and event.enrolment_id}
        | interpreted.waking()
    )
    # On their day the identifier named nobody: they stay parked.
    outside = [r.id for r, parked in zip(readings, interpreted.parked, strict=True) if parked]
    store.note_outside({statement_id: seen[statement_id] for statement_id in outside})
    settled = [
        (reading, event)
        for reading, event, parked in zip(readings, interpreted.events, interpreted.parked, strict=True)
        if not parked
    ]
    won = store.write_unparked(
        [reading.id for reading, _ in settled], [event for _, event in settled], now=now
    )
    settle(interpreted, won, now=now)
    return len(won) + len(outside)


def derive_again(reading: Reading, *, now: datetime, backfill: bool) -> bool:
    """Whether a stored statement without an event (its timestamp was held back) now has one."""
    with transaction.atomic():
        partitions.ensure({partitions.month_of(reading.occurred_at)})
        interpreted = interpret([reading], now=now, backfill=backfill)
        event = interpreted.events[0]
        if event is None:
            if interpreted.parked[0]:
                store.park([reading.id])
            return False
        store.lock_marks(({event.enrolment_id} if event.enrolment_id else set()) | interpreted.waking())
        store.park([reading.id])
        won = store.write_unparked([reading.id], [event], now=now)
        settle(interpreted, won, now=now)
    return bool(won)


def _event(
    reading: Reading,
    learner: UUID,
    verb: int,
    course: Course | None,
    enrolment: Enrolment | None,
    *,
    ends: bool,
    known_at: datetime | None,
) -> store.NewEvent:
    statement = reading.statement
    result = statement.get("result") or {}
    context = statement.get("context") or {}
    definition = statement["object"].get("definition") or {}
    kind = definition.get("type")
    extensions = result.get("extensions") or {}
    scaled = scaled_share(result["score"]) if "score" in result and verb != Verb.RATED else None
    success = result.get("success")
    if success is None:
        if verb == Verb.PASSED or verb == Verb.FAILED:
            success = verb == Verb.PASSED
        elif scaled is not None and course is not None and verb in RESULT_VERBS:
            success = scaled >= course.pass_mark
    duration = result.get("duration")
    around = surroundings.read(context) if context else surroundings.NOTHING_SAID
    is_result = (
        enrolment is not None
        and not ends  # it judges the whole course, which its parts have made up already
        and verb in RESULT_VERBS
        and (scaled is not None or success is not None)
    )
    return store.NewEvent(
        learner_id=learner,
        enrolment_id=enrolment.id if enrolment is not None else None,
        occurred_at=reading.occurred_at,
        known_at=known_at,
        verb=int(verb),
        activity=activity_key(statement["object"]["id"]),
        activity_type=activity_type_key(kind) if kind is not None else None,
        amount=_amount(extensions, context),
        scaled=scaled,
        success=success,
        duration_s=_whole_seconds(duration) if duration is not None else None,
        progress=_progress(extensions) if extensions else None,
        is_result=is_result,
        is_item=verb == Verb.ANSWERED or kind in ITEM_TYPES,
        value=_value(result) if verb == Verb.MEASURED else None,
        session=around.session,
        background_s=around.background_s,
        device=around.device,
        network=around.network,
    )


def _value(result: dict[str, Any]) -> float | None:
    """What was measured: a metric has no best and no worst, so its number stays as it is."""
    raw = result.get("score", {}).get("raw")
    return float(raw) if raw is not None else None


def _whole_seconds(duration: str) -> int:
    return min(round(duration_seconds(duration) or 0), LARGEST_INTEGER)


def _amount(extensions: dict[str, Any], context: dict[str, Any]) -> int:
    count = (context.get("extensions") or {}).get(COUNT_EXTENSION)
    if count is None:
        count = extensions.get(COUNT_EXTENSION)
    return min(count, LARGEST_INTEGER) if type(count) is int and count > 0 else 1


def scaled_share(score: dict[str, float]) -> float | None:
    """The score as a share, 0 to 1: as sent, or from raw and its limits (the lower one being 0 unless said)."""
    scaled = score.get("scaled")
    if scaled is not None:
        return float(min(max(scaled, 0), 1))
    raw, high, low = score.get("raw"), score.get("max"), score.get("min", 0)
    if raw is None or high is None or high <= low:
        return None
    return float(min(max((raw - low) / (high - low), 0), 1))


def _progress(extensions: dict[str, Any]) -> float | None:
    for name, whole in ((CMI5_PROGRESS, 100), (VIDEO_PROGRESS, 1)):
        value = extensions.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(min(max(value / whole, 0), 1))
    return None


# --- courses and enrolments ---------------------------------------------------------------------------------------


def _canonical_verbs(iris: set[str]) -> dict[str, int]:
    rows = fetch("SELECT iri, verb FROM signals_verbsynonym WHERE iri = ANY($1)", [texts(list(iris))])
    return {iri: verb for iri, verb in rows}


def _courses(iris: set[str]) -> dict[str, list[Course]]:
    """The courses that each of these activities is, or is planned in; being it comes first."""
    found: dict[str, list[Course]] = {}
    rows = fetch(
        "SELECT c.iri, c.id, c.iri, c.starts_on, c.length_days, c.pass_mark"
        " FROM learners_course c WHERE c.iri = ANY($1)"
        " UNION ALL"
        " SELECT s.activity_iri, c.id, c.iri, c.starts_on, c.length_days, c.pass_mark"
        " FROM learners_planstep s JOIN learners_course c ON c.id = s.course_id WHERE s.activity_iri = ANY($1)",
        [texts(list(iris))],
    )
    for named, *course in rows:
        found.setdefault(named, []).append(Course(*course))
    return found


Enrolments = dict[bytes, dict[int, list[Enrolment]]]  # by actor's key and course


def _enrolments(learners: dict[bytes, UUID], courses: dict[str, list[Course]]) -> Enrolments:
    of: dict[UUID, dict[int, list[Enrolment]]] = {learner: {} for learner in learners.values()}
    wanted = list({course.id for group in courses.values() for course in group})
    if wanted:
        rows = fetch(
            "SELECT learner_id, course_id, id, starts_on, state = 'active', ended_at FROM learners_enrolment"
            " WHERE learner_id = ANY($1) AND course_id = ANY($2) ORDER BY starts_on, id",
            [uuids(list(of)), int8s(wanted)],
        )
        for learner, course, *rest in rows:
            of[learner].setdefault(course, []).append(Enrolment(*rest))
    return {actor: of[learner] for actor, learner in learners.items()}


def _place(
    reading: Reading, courses: dict[str, list[Course]], own: dict[int, list[Enrolment]]
) -> tuple[Course | None, Enrolment | None]:
    """The nearest known course that the learner is (or was) enrolled in, among object, parents and groupings."""
    nearest: Course | None = None
    for iri in reading.places:
        for course in courses.get(iri, ()):
            nearest = nearest or course
            enrolments = own.get(course.id)
            if enrolments:
                return course, covering(enrolments, reading.occurred_at)
    return nearest, None


def covering(enrolments: Sequence[Enrolment], at: datetime) -> Enrolment:
    """Which of a learner's enrolments in one course (oldest first) a moment belongs to.

    The one that covers it, else the active one, else the last begun before it, else the first of all: looking
    into a course before its first day, or again after finishing it, still belongs to that enrolment.
    """
    day = at.astimezone(UTC).date()
    if len(enrolments) == 1:
        return enrolments[0]
    begun = [one for one in enrolments if one.starts_on <= day]
    for one in reversed(begun):
        if one.ended_at is None or at <= one.ended_at:
            return one
    for one in enrolments:
        if one.active:
            return one
    return begun[-1] if begun else enrolments[0]


def _register(
    readings: Sequence[Reading],
    learners: dict[bytes, UUID],
    verbs: dict[str, int],
    courses: dict[str, list[Course]],
    enrolments: Enrolments,
) -> bool:
    """Whether statements about registering made enrolments that were not there."""
    wanted: list[tuple[Reading, Course, list[Enrolment]]] = []
    for reading in readings:
        if verbs.get(reading.verb) != Verb.REGISTERED:
            continue
        iri = reading.places[0]
        course = next((course for course in courses.get(iri, ()) if course.iri == iri), None)
        if course is None:
            continue
        before = enrolments[reading.who].get(course.id, [])
        if not any(one.active for one in before):
            wanted.append((reading, course, before))
    if not wanted:
        return False
    # Sent again after somebody withdrew, the old statement must not enrol them a second time.
    old = store.already_stored([reading.id for reading, _, _ in wanted if not reading.waits])
    rows: dict[tuple[UUID, int], tuple[date, date | None, datetime]] = {}
    for reading, course, before in wanted:
        if reading.id not in old:
            starts = _start(reading.occurred_at, course, before)
            due = starts + timedelta(days=course.length_days) if course.length_days else None
            rows.setdefault((learners[reading.who], course.id), (starts, due, reading.occurred_at))
    _enrol(rows)
    return bool(rows)


def _start(registered_at: datetime, course: Course, before: Iterable[Enrolment]) -> date:
    """A run with a date starts on it for all who register before it is over; else the day of registering counts."""
    day = registered_at.astimezone(UTC).date()
    run = course.starts_on
    if run is None or (course.length_days and day > run + timedelta(days=course.length_days)):
        return day
    return day if any(one.starts_on == run for one in before) else run


def _enrol(rows: dict[tuple[UUID, int], tuple[date, date | None, datetime]]) -> None:
    keys = sorted(rows)  # one order for all writers, so that none waits for another in a circle
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO learners_enrolment (learner_id, course_id, starts_on, due_on, state, enrolled_at)"
            " SELECT learner, course, starts, due, 'active', at"
            " FROM unnest(%s::uuid[], %s::bigint[], %s::date[], %s::date[], %s::timestamptz[])"
            " n(learner, course, starts, due, at) ON CONFLICT DO NOTHING",
            [
                [learner for learner, _ in keys],
                [course for _, course in keys],
                [rows[key][0] for key in keys],
                [rows[key][1] for key in keys],
                [rows[key][2] for key in keys],
            ],
        )
