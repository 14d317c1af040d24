"""The checklist's questions about people, time, words and volume, each answered from the rows at hand."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Min, Sum

from learners.models import Enrolment
from signals.features.rollup import SESSION_GAP_S
from signals.models import Finding, SourceDay, TallyMark, Verb
from signals.readiness.answers import Line, at_least, at_most, line, percent, ratio

LATELY = timedelta(days=30)
SESSION_LEARNERS = 500  # people whose learning sessions are looked at
BASELINE_WEEKS = 8


def _one(sql: str, values: Any = None) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _lately(now: datetime) -> dict[str, int]:
    """The sources' counts of the last 30 days, put together."""
    names = [
        "statements",
        "resent",
        "quarantined",
        "misdated",
        "read",
        "midnight",
        "ahead",
        "undated",
        "events",
        "twins",
    ]
    rows = SourceDay.objects.filter(day__gt=(now - LATELY).date()).order_by()
    return {name: total or 0 for name, total in rows.aggregate(**{name: Sum(name) for name in names}).items()}


# --- one stable learner id -------------------------------------------------------------------------------------


def learner_id(now: datetime) -> Iterator[Line]:
    """Do statements find their learner, and only one?"""
    statements, parked = _one(
        "SELECT count(*), count(*) FILTER (WHERE parked) FROM signals_statement WHERE stored > %s AND stored <= %s",
        [now - LATELY, now],
    )
    matched = ratio(statements - parked, statements)
    yield line(
        "learner_matched",
        "Do you have a single, stable learner_id across systems?",
        at_least(matched, 0.98, 0.90),
        f"{percent(matched)} of {statements:,} statements of 30 days have found their learner",
        "98% (warns down to 90%)",
        "Import the roster, and compare the identifiers each system sends with those in it; /quality/ says which"
        " source has most of them.",
        value=matched,
    )
    shared = _one(
        "SELECT count(*) FROM (SELECT hash FROM learners_identifier WHERE valid_to IS NULL"
        " GROUP BY hash HAVING count(DISTINCT learner_id) > 1) s"
    )[0]
    strangers = _one(
        "SELECT count(*) FROM (SELECT DISTINCT learner_id FROM signals_event) e"
        " WHERE NOT EXISTS (SELECT FROM learners_learner l WHERE l.id = e.learner_id AND l.erased_at IS NULL)"
    )[0]
    yield line(
        "learner_single",
        "Does each identifier name one learner, and each event somebody who exists?",
        at_most(float(shared + strangers), 0, 0),
        f"{shared} identifiers name more than one learner; events name {strangers} learners who are not there",
        "none",
        "Close the identifier on one of the two, or merge them; then run manage.py rebuild.",
        value=float(shared + strangers),
    )


def roles(now: datetime) -> Iterator[Line]:
    """Can results be looked at by role?"""
    learners, known = _one(
        "SELECT count(*), count(*) FILTER (WHERE l.job_role_id IS NOT NULL) FROM learners_learner l"
        " WHERE l.erased_at IS NULL AND EXISTS (SELECT FROM learners_enrolment e"
        " WHERE e.learner_id = l.id AND e.state = 'active')"
    )
    share = ratio(known, learners)
    yield line(
        "roles_known",
        "Is the role of each learner known, so that models can be judged by role?",
        at_least(share, 0.9, None),
        f"{percent(share)} of {learners:,} people with an active enrolment have a job role",
        "90% (else warns)",
        "Add the job role to the roster file.",
        value=share,
    )


# --- UTC and sessions ------------------------------------------------------------------------------------------


def utc(now: datetime) -> Iterator[Line]:
    """Is every moment a moment, in UTC?"""
    zone, naive = _one(
        "SELECT current_setting('timezone'), (SELECT count(*) FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND data_type = 'timestamp without time zone')"
    )
    wrong = naive + (zone != "UTC") + (settings.TIME_ZONE != "UTC") + (not settings.USE_TZ)
    yield line(
        "utc",
        "Are timestamps normalized to UTC?",
        at_most(float(wrong), 0, 0),
        f"{naive} columns hold a time without a zone; the database session speaks {zone}",
        "none; UTC",
        "Remove the override of the time zone from the database role or the settings.",
        value=float(wrong),
    )
    counts = _lately(now)
    dated = counts["read"] + counts["misdated"]
    off = ratio(counts["ahead"] + counts["misdated"], dated)
    yield line(
        "clock",
        "Can the sources' clocks be believed?",
        at_most(off, 0.01, 0.05),
        f"{percent(off)} of {dated:,} statements of 30 days are dated ahead of us or before their source began",
        "1% (warns up to 5%)",
        "/quality/ names the source whose clock or time zone is off.",
        value=off,
    )
    rough = ratio(counts["midnight"] + counts["undated"], counts["read"])
    yield line(
        "moments",
        "Do timestamps say the moment, not only the day?",
        at_most(rough, 0.05, 0.3),
        f"{percent(rough)} of {counts['read']:,} statements read have no timestamp, or midnight sharp",
        "5% (warns up to 30%)",
        "Have the source send the moment; until then leave learning sessions and dwell time out of models.",
        value=rough,
    )


def sessions(now: datetime) -> Iterator[Line]:
    """Is everything in a learning session, and do these mean anything?"""
    end = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    since = end - LATELY
    # Days that wait to be computed, and people about whom nothing is computed, are no fault of the rollups.
    events, days, wrong = _one(
        "WITH counted AS ("
        " SELECT v.enrolment_id, (v.occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) AS number"
        " FROM signals_event v WHERE v.enrolment_id IS NOT NULL AND v.voided_seq IS NULL"
        " AND v.occurred_at >= %(since)s AND v.occurred_at < %(end)s GROUP BY 1, 2)"
        " SELECT coalesce(sum(c.number), 0), count(*), count(*) FILTER (WHERE r.events IS DISTINCT FROM c.number)"
        " FROM counted c JOIN signals_enrolmentmark m ON m.enrolment_id = c.enrolment_id"
        " JOIN learners_enrolment e ON e.id = c.enrolment_id"
        " LEFT JOIN signals_dailyrollup r ON r.enrolment_id = c.enrolment_id AND r.day = c.day"
        " WHERE NOT (c.day = ANY(m.dirty_days)) AND NOT EXISTS (SELECT FROM consent_standing s"
        "   WHERE s.subject = e.learner_id AND s.scope IN ('record', 'profile') AND NOT s.allowed)",
        {"since": since, "end": end},
    )
    share = ratio(days - wrong, days)
    yield line(
        "sessionized",
        "Are timestamps sessionized?",
        at_least(share, 1.0, 0.999),
        f"{percent(share)} of {days:,} learner days ({events:,} events of 30 days) are in learning sessions, event for"
        f" event; a session ends after {SESSION_GAP_S // 60} minutes without one",
        "100%",
        "Run manage.py rebuild.",
        value=share,
    )
    yield from _meaningful_sessions(since, end)


def _meaningful_sessions(since: datetime, end: datetime) -> Iterator[Line]:
    from signals.features.sessions import learning_sessions

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT learner_id FROM learners_enrolment WHERE state = 'active' ORDER BY learner_id LIMIT %s",
            [SESSION_LEARNERS],
        )
        people = [row[0] for row in cursor.fetchall()]
    found = learning_sessions(people, since=since, until=end)
    longer = ratio(sum(1 for one in found if one.events > 1), len(found))
    yield line(
        "sessions_hold",
        "Do learning sessions hold more than one event?",
        at_least(longer, 0.3, None),
        f"{percent(longer)} of {len(found):,} sessions of {len(people):,} people in 30 days",
        "30% (else warns)",
        "The sources send little between start and end. Have them send what happens within (pages, questions,"
        " pauses), or leave session features out.",
        value=longer,
    )


# --- what came -------------------------------------------------------------------------------------------------


def intake(now: datetime) -> Iterator[Line]:
    """Is what comes whole, single and understood?"""
    counts = _lately(now)
    waiting = _one(
        "SELECT count(*) FROM signals_quarantined WHERE state = 'waiting' AND received_at > %s",
        [now - LATELY],
    )[0]
    share = ratio(waiting, counts["statements"] + waiting)
    yield line(
        "required_fields",
        "Are malformed records flagged, and settled by somebody?",
        at_most(share, 0.01, 0.05),
        f"{waiting:,} of {counts['statements'] + waiting:,} statements of 30 days wait in quarantine"
        f" ({percent(share)})",
        "1% (warns up to 5%)",
        "Open the quarantine in the admin.",
        value=share,
    )
    twins = ratio(counts["twins"], counts["events"])
    yield line(
        "duplicates",
        "Is each fact kept once?",
        at_most(twins, 0.01, 0.05),
        f"{percent(twins)} of {counts['events']:,} events read again say what another had said under another id;"
        f" {counts['resent']:,} statements sent twice were kept once",
        "1% (warns up to 5%)",
        "/quality/ names the source; void the surplus.",
        value=twins,
    )
    events, other, outside = _one(
        "SELECT count(*), count(*) FILTER (WHERE verb = %s), count(*) FILTER (WHERE enrolment_id IS NULL)"
        " FROM signals_event WHERE occurred_at > %s AND occurred_at <= %s AND voided_seq IS NULL",
        [int(Verb.OTHER), now - LATELY, now],
    )
    unknown = ratio(other, events)
    yield line(
        "canonical_verbs",
        "Do all events use the canonical verbs?",
        at_most(unknown, 0.05, 0.2),
        f"{percent(unknown)} of {events:,} events of 30 days have a verb that means nothing here",
        "5% (warns up to 20%)",
        "Say what the unknown verbs mean in the admin, then run manage.py rebuild.",
        value=unknown,
    )
    lost = ratio(outside, events)
    yield line(
        "in_courses",
        "Do events belong to a course their learner is enrolled in?",
        at_most(lost, 0.1, 0.3),
        f"{percent(lost)} of {events:,} events of 30 days lie outside",
        "10% (warns up to 30%)",
        "Import enrolments and plans, under the IRIs the sources use.",
        value=lost,
    )


def monitoring(now: datetime) -> Iterator[Line]:
    """Does somebody watch, and is there enough past to compare with?"""
    through = TallyMark.objects.values_list("through", flat=True).first()
    behind = (now - through).total_seconds() / 60 if through else None
    yield line(
        "watched",
        "Is data quality monitored, with alerts?",
        at_most(behind, 15, 60),
        f"counted to {behind:.0f} minutes ago" if behind is not None else "nothing has been counted yet",
        "15 minutes (warns up to 60)",
        "See that the worker for the queue “upkeep” and the beat run.",
        value=behind,
    )
    open_ = Finding.objects.open().count()
    yield line(
        "findings",
        "Are all sources as usual?",
        at_most(float(open_), 0, None),
        f"{open_} findings are open",
        "none (else warns)",
        "/quality/ says what to do about each.",
        value=float(open_),
    )
    first: date | None = SourceDay.objects.aggregate(first=Min("day"))["first"]
    earliest = _one("SELECT min(occurred_at) FROM signals_event WHERE enrolment_id IS NOT NULL")[0]
    begun = earliest.astimezone(UTC).date() if earliest else first
    weeks = (now.astimezone(UTC).date() - begun).days / 7 if begun else None
    yield line(
        "history",
        "Is there a baseline to compare with?",
        at_least(weeks, BASELINE_WEEKS, 4),
        f"{weeks:.1f} weeks of events" if weeks is not None else "no events yet",
        f"{BASELINE_WEEKS} weeks (warns from 4)",
        "Wait, or load history with a credential that may backfill.",
        value=weeks,
    )


# --- sparse events ---------------------------------------------------------------------------------------------


def sparsity(now: datetime) -> Iterator[Line]:
    """Are there enough of the rare things, and is an answer withheld where there are not?"""
    enrolments, with_result, scored, often = _one(
        "SELECT count(*), count(r.enrolment_id), count(*) FILTER (WHERE r.scores >= 1),"
        " count(*) FILTER (WHERE r.scores >= 3) FROM learners_enrolment e"
        " LEFT JOIN (SELECT enrolment_id, count(scaled) AS scores FROM signals_assessmentresult"
        "   WHERE voided_seq IS NULL GROUP BY enrolment_id) r ON r.enrolment_id = e.id WHERE e.state = 'active'"
    )
    share = ratio(with_result, enrolments)
    yield line(
        "sparse_results",
        "Are low-frequency events enriched or upsampled to avoid sparsity?",
        at_least(share, 0.7, 0.4),
        f"{percent(share)} of {enrolments:,} active enrolments have a result, {often:,} have three scores or more",
        "70% (warns down to 40%)",
        "Have quizzes send their questions as answered statements with success: each question then counts, which"
        " enriches the rare scores.",
        value=share,
    )
    judged, told = _one(
        "SELECT count(*), count(k.value) FROM signals_risk k JOIN learners_enrolment e ON e.id = k.enrolment_id"
        " WHERE e.state = 'active'"
    )
    known = ratio(told, judged)
    yield line(
        "sparse_coverage",
        "Is enough known to judge, and is judgement withheld where it is not?",
        at_least(known, 0.8, 0.5),
        f"{percent(known)} of {judged:,} active enrolments have a risk; for the others too little is known, and we"
        " say so",
        "80% (warns down to 50%)",
        "Activity and results are the two signals: see which of them the sources do not send.",
        value=known,
    )
    carry = ratio(scored, with_result)
    yield line(
        "sparse_scores",
        "Do results carry scores?",
        at_least(carry, 0.7, 0.4),
        f"{percent(carry)} of {with_result:,} active enrolments with a result have a score, not only passed or failed",
        "70% (warns down to 40%)",
        "Have result.score.scaled sent, or raw with max.",
        value=carry,
    )


def survivors(now: datetime) -> Iterator[Line]:
    """Are those who do nothing among those we look at?"""
    silent, seen = _one(
        "SELECT count(*), count(f.enrolment_id) FROM learners_enrolment e"
        " JOIN learners_learner l ON l.id = e.learner_id AND l.erased_at IS NULL"
        " LEFT JOIN signals_featurerow f ON f.enrolment_id = e.id"
        " WHERE e.state = 'active' AND NOT EXISTS (SELECT FROM signals_dailyrollup r"
        "   WHERE r.enrolment_id = e.id AND r.day > %s)"
        " AND NOT EXISTS (SELECT FROM consent_standing s WHERE s.subject = e.learner_id"
        "   AND s.scope IN ('record', 'profile') AND NOT s.allowed)",
        [(now - timedelta(days=14)).date()],
    )
    share = ratio(seen, silent)
    yield line(
        "survivors",
        "Are the silent among those we look at (no survivorship bias)?",
        at_least(1.0 if not silent else share, 0.98, 0.9),
        f"{percent(share)} of {silent:,} active enrolments without activity for 14 days have features"
        if silent
        else f"no active enrolment of {Enrolment.objects.filter(state='active').count():,} is silent",
        "98% (warns down to 90%)",
        "Run manage.py rebuild; then see whether the stage “refresh” is behind on /readyz.",
        value=share,
    )
