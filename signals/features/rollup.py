"""Daily rollups: one row per enrolment and UTC day, always recomputed whole from the day's events.

Recomputing beats adding up: an event that comes late, twice, out of order or is voided later leaves the same
row.
A learning session does not cross midnight: a day stands for itself. What others say about somebody (OBSERVED) is no
activity and leaves no trace here.

**Dwell** (``seconds``) is the length of the time that the day's events account for, counted once where they overlap:

1. An event with a duration accounts for that time before it, at most a day; one without, for the time since the
   event before, unless that is more than 30 minutes ago or belongs to another session.
2. Not counted is what ran in the background (``background_s``, the end of what the event accounts for), whoever
   else accounts for it: a clock that runs on a phone in a pocket is not learning.
3. Not counted is silence of more than 30 minutes between two events of one session, even within a longer reported
   duration: the source tells what happens in its sessions, and nothing did.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection

from signals.features.kinds import KINDS, kind_table
from signals.models.events import OBSERVED, Verb

SESSION_GAP_S = 30 * 60
LONGEST_S = 24 * 3600  # a reported duration beyond a day is a fault of the clock that measured it
# Verbs after which something counts as finished.
COMPLETING = (Verb.COMPLETED, Verb.PASSED, Verb.EARNED)
HASTY_S = 10  # who leaves something for another this soon has hardly read it
QUARTERS = ("night", "morning", "afternoon", "evening")  # of the UTC day, from midnight
# The edition of what follows. Rollups of an earlier one are brought up to date by signals.features.outdated.
RECIPE = 2

_RECOMPUTE = """
WITH dirty AS MATERIALIZED (
    SELECT d.enrolment_id, d.day, c.pass_mark,
           d.day::timestamp AT TIME ZONE 'UTC' AS opens_at,
           (d.day + 1)::timestamp AT TIME ZONE 'UTC' AS closes_at
    FROM (SELECT DISTINCT * FROM unnest(%(ids)s::bigint[], %(days)s::date[])) AS d (enrolment_id, day)
    JOIN learners_enrolment e ON e.id = d.enrolment_id
    JOIN learners_course c ON c.id = e.course_id
),
kinds AS MATERIALIZED (
    SELECT * FROM unnest(%(types)s::bigint[], %(kinds)s::int[]) AS k (type, kind)
),
spent AS (
    SELECT d.enrolment_id, d.day, v.occurred_at, v.verb, v.activity, v.amount,
           CASE WHEN v.duration_s IS NOT NULL THEN least(greatest(v.duration_s, 0), %(longest)s) END AS duration_s,
           v.session, v.background_s, coalesce(k.kind, %(other)s) AS kind, v.progress,
           extract(hour FROM v.occurred_at AT TIME ZONE 'UTC')::int / 6 AS quarter,
           v.activity <> lag(v.activity) OVER nearest AS is_another,
           extract(epoch FROM v.occurred_at - lag(v.occurred_at) OVER nearest) AS gap_s,
           v.session <> lag(v.session) OVER nearest AS is_elsewhere,
           CASE WHEN v.session IS NOT NULL
                THEN extract(epoch FROM v.occurred_at - lag(v.occurred_at) OVER (
                    PARTITION BY d.enrolment_id, d.day, v.session ORDER BY v.occurred_at, v.statement_id))
           END AS silence_s
    FROM dirty d
    CROSS JOIN LATERAL (
        SELECT * FROM signals_event v
        WHERE v.enrolment_id = d.enrolment_id
          AND (v.occurred_at AT TIME ZONE 'UTC')::date = d.day  -- as the index event_by_enrolment_day has it
          -- The same bounds as constants, so that the planner leaves the other months out.
          AND v.occurred_at >= %(first)s AND v.occurred_at < %(last)s
          AND v.voided_seq IS NULL AND v.verb <> ALL(%(observed)s)
        OFFSET 0  -- keeps this a look-up by enrolment and day, whatever the planner thinks of the table
    ) v
    LEFT JOIN kinds k ON k.type = v.activity_type
    WINDOW nearest AS (PARTITION BY d.enrolment_id, d.day ORDER BY v.occurred_at, v.statement_id)
),
accounted AS (
    SELECT *, CASE WHEN duration_s IS NOT NULL THEN duration_s
                   WHEN gap_s <= %(gap)s AND is_elsewhere IS NOT TRUE THEN gap_s
                   ELSE 0 END AS counts_s,
           bool_or(duration_s > 0 OR background_s > 0) OVER (PARTITION BY enrolment_id, day) AS is_covered
    FROM spent
),
pieces AS (
    SELECT enrolment_id, day, session, duration_s IS NOT NULL AS is_reported,
           tstzrange(occurred_at - make_interval(secs => counts_s::float8), occurred_at) AS counted,
           CASE WHEN background_s > 0
                THEN tstzrange(occurred_at - make_interval(secs => least(background_s, counts_s)::float8), occurred_at)
           END AS unseen,
           CASE WHEN silence_s > %(gap)s
                THEN tstzrange(occurred_at - make_interval(secs => silence_s::float8), occurred_at) END AS silent
    FROM accounted WHERE is_covered
),
sat AS (
    SELECT enrolment_id, day, range_agg(unseen) AS unseen,
           coalesce(range_agg(counted) FILTER (WHERE is_reported), '{}') - coalesce(range_agg(silent), '{}')
           + coalesce(range_agg(counted) FILTER (WHERE NOT is_reported), '{}') AS counted
    FROM pieces GROUP BY enrolment_id, day, session
),
dwelt AS (
    SELECT enrolment_id, day, (
        SELECT coalesce(sum(extract(epoch FROM upper(piece) - lower(piece))), 0)
        FROM unnest(range_agg(counted) - coalesce(range_agg(unseen), '{}')) piece) AS seconds
    FROM sat GROUP BY enrolment_id, day
),
facts AS (
    SELECT enrolment_id, day, count(*) AS events, least(sum(amount), 2147483647) AS amount,
           count(DISTINCT activity) AS activities,
           count(*) FILTER (WHERE gap_s IS NULL OR gap_s > %(gap)s) AS learning_sessions,
           -- Times between events never overlap, so most days need not be laid out on a line.
           CASE WHEN bool_or(is_covered) THEN NULL ELSE sum(counts_s)::int END AS seconds,
           count(*) FILTER (WHERE verb = ANY(%(completing)s)) AS completions,
           max(occurred_at) AS last_at,
           count(*) FILTER (WHERE is_another AND gap_s <= %(hasty)s) AS hasty,
           {kinds},
           {quarters},
           array_agg(DISTINCT activity) AS opened
    FROM accounted
    GROUP BY enrolment_id, day
),
watched AS (
    SELECT enrolment_id, day, array_agg(activity ORDER BY activity) AS watched,
           array_agg(progress ORDER BY activity) AS watched_shares
    FROM (
        SELECT enrolment_id, day, activity, max(progress) AS progress FROM spent
        WHERE kind = %(media)s AND progress IS NOT NULL GROUP BY enrolment_id, day, activity
    ) best GROUP BY enrolment_id, day
),
judged AS (
    SELECT d.enrolment_id, d.day, count(*) AS results,
           count(*) FILTER (WHERE coalesce(NOT r.success, r.scaled < d.pass_mark)) AS failures,
           coalesce(sum(greatest(r.scaled, 0)), 0) AS score_sum, count(r.scaled) AS score_count
    FROM dirty d
    JOIN signals_assessmentresult r
      ON r.enrolment_id = d.enrolment_id AND r.occurred_at >= d.opens_at AND r.occurred_at < d.closes_at
    WHERE r.voided_seq IS NULL
    GROUP BY d.enrolment_id, d.day
),
gone AS (
    DELETE FROM signals_dailyrollup old USING dirty d
    WHERE old.enrolment_id = d.enrolment_id AND old.day = d.day
      AND NOT EXISTS (SELECT FROM facts f WHERE f.enrolment_id = d.enrolment_id AND f.day = d.day)
    RETURNING 1
),
kept AS (
    INSERT INTO signals_dailyrollup AS old (enrolment_id, day, events, amount, activities, learning_sessions,
        seconds, results, failures, score_sum, score_count, completions, last_at, hasty, {columns}, opened, watched,
        watched_shares, recipe)
    SELECT f.enrolment_id, f.day, f.events, f.amount, f.activities, f.learning_sessions,
           coalesce(f.seconds, w.seconds::int),
           coalesce(j.results, 0), coalesce(j.failures, 0), coalesce(j.score_sum, 0),
           coalesce(j.score_count, 0), f.completions, f.last_at, f.hasty, {columns}, f.opened, s.watched,
           s.watched_shares, %(recipe)s
    FROM facts f LEFT JOIN judged j USING (enrolment_id, day) LEFT JOIN dwelt w USING (enrolment_id, day)
    LEFT JOIN watched s USING (enrolment_id, day)
    ON CONFLICT (enrolment_id, day) DO UPDATE SET
        events = excluded.events, amount = excluded.amount, activities = excluded.activities,
        learning_sessions = excluded.learning_sessions, seconds = excluded.seconds,
        results = excluded.results, failures = excluded.failures, score_sum = excluded.score_sum,
        score_count = excluded.score_count, completions = excluded.completions, last_at = excluded.last_at,
        hasty = excluded.hasty, {updates}, opened = excluded.opened, watched = excluded.watched,
        watched_shares = excluded.watched_shares, recipe = excluded.recipe
    WHERE old.* IS DISTINCT FROM excluded.*
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept)
"""


def _amounts(column: str, places: Iterable[tuple[int, str]]) -> str:
    return ",\n           ".join(
        f"least(coalesce(sum(amount) FILTER (WHERE {column} = {place}), 0), 2147483647) AS {name}"
        for place, name in places
    )


_KIND_COLUMNS = [f"kind_{kind}" for kind in KINDS]
_COLUMNS = [*_KIND_COLUMNS, *QUARTERS]
_RECOMPUTE = (
    _RECOMPUTE.replace("{kinds}", _amounts("kind", enumerate(_KIND_COLUMNS)))
    .replace("{quarters}", _amounts("quarter", enumerate(QUARTERS)))
    .replace("{columns}", ", ".join(_COLUMNS))
    .replace("{updates}", ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS))
)


def recompute(days: Iterable[tuple[int, date]]) -> int:
    """How many rollups changed when these (enrolment, day) pairs were computed anew: one SQL statement."""
    pairs = list(days)
    if not pairs:
        return 0
    from signals.archive.cooling import thawed  # which asks this module what completes

    types, kinds = kind_table()
    with thawed(pairs), connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")  # takes longer than it saves
        cursor.execute(
            _RECOMPUTE,
            {
                "ids": [enrolment_id for enrolment_id, _ in pairs],
                "days": [day for _, day in pairs],
                "first": _midnight(min(day for _, day in pairs)),
                "last": _midnight(max(day for _, day in pairs) + timedelta(days=1)),
                "gap": SESSION_GAP_S,
                "longest": LONGEST_S,
                "completing": [int(verb) for verb in COMPLETING],
                "observed": [int(verb) for verb in OBSERVED],
                "types": types,
                "kinds": kinds,
                "other": KINDS.index("other"),
                "media": KINDS.index("media"),
                "hasty": HASTY_S,
                "recipe": RECIPE,
            },
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
