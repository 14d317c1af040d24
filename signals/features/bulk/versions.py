"""What was known when: events cut to the moments asked about, and days summed once for each state they were known in.

A **point** is an enrolment and a moment; the points of an enrolment are numbered in time (``n``). An event counts at a
point if it had happened, was known and was not yet voided, which is a stretch of numbers: from ``from_n`` to before
``until_n``. Almost every day is over and known before the first point that comes after it, so it has one version,
valid from that point on; only a day that something came late to, or was taken back from, has more. So the events are
read once, however many moments are asked about.

All of it is of one **part**: of some enrolments with all their points, as many as fit into memory.
"""

from collections.abc import Sequence
from typing import Any

from signals.features.bulk.dwell import DWELT
from signals.features.bulk.export import put
from signals.features.kinds import KINDS, kind_table
from signals.features.rollup import COMPLETING, HASTY_S, LONGEST_S, QUARTERS, SESSION_GAP_S
from signals.models.events import OBSERVED

FOREVER = 2**31 - 1
US = 1_000_000
_COMPLETING = ", ".join(str(int(verb)) for verb in COMPLETING)
_OBSERVED = ", ".join(str(int(verb)) for verb in OBSERVED)
_MOST = 2_147_483_647  # as many as PostgreSQL's column holds
_QUARTER_US = 6 * 3600 * US


def _amounts(column: str, names: Sequence[str]) -> str:
    return ",\n           ".join(
        f"least(coalesce(sum(amount) FILTER (WHERE {column} = {place}), 0), {_MOST})::INTEGER AS {name}"
        for place, name in enumerate(names)
    )


_STEPS: tuple[str, ...] = (
    # When an event begins to count, and from when it no longer does.
    f"""
CREATE OR REPLACE TABLE seen AS
WITH known AS (
    SELECT *, greatest(moment, known_at) AS known_from, (moment // 86400000000)::INTEGER AS day FROM happened
)
SELECT e.* EXCLUDE (known_at), p.n AS from_n, {FOREVER}::INTEGER AS until_n
FROM known e ASOF JOIN point p ON p.enrolment_id = e.enrolment_id AND e.known_from <= p.as_of
WHERE NOT e.is_voided
UNION ALL
SELECT e.* EXCLUDE (known_at), p.n, coalesce(g.n, {FOREVER})
FROM known e ASOF JOIN point p ON p.enrolment_id = e.enrolment_id AND e.known_from <= p.as_of
ASOF LEFT JOIN point g ON g.enrolment_id = e.enrolment_id AND e.voided_at <= g.as_of
WHERE e.is_voided AND coalesce(g.n, {FOREVER}) > p.n
""",
    # Days that were known in more than one state, and when they were in which.
    f"""
CREATE OR REPLACE TABLE version AS
WITH several AS (
    SELECT enrolment_id, day FROM seen WHERE verb NOT IN ({_OBSERVED}) GROUP BY enrolment_id, day
    HAVING min(from_n) <> max(from_n) OR min(until_n) <> {FOREVER}
), turns AS (
    SELECT enrolment_id, day, from_n AS n FROM seen SEMI JOIN several USING (enrolment_id, day)
    UNION
    SELECT enrolment_id, day, until_n FROM seen SEMI JOIN several USING (enrolment_id, day)
    WHERE until_n <> {FOREVER}
)
SELECT enrolment_id, day, n AS from_n,
       coalesce(lead(n) OVER (PARTITION BY enrolment_id, day ORDER BY n), {FOREVER}) AS until_n
FROM turns
""",
    # The events of each version of a day, with the silence before them.
    f"""
CREATE OR REPLACE TABLE piece AS
WITH done AS (SELECT * FROM seen WHERE verb NOT IN ({_OBSERVED})),
laid AS (
    SELECT s.* FROM done s ANTI JOIN version USING (enrolment_id, day)
    UNION ALL
    SELECT s.* REPLACE (v.from_n AS from_n, v.until_n AS until_n)
    FROM done s JOIN version v USING (enrolment_id, day)
    WHERE s.from_n <= v.from_n AND s.until_n > v.from_n
)
SELECT enrolment_id, day, from_n, until_n, moment, id_high, id_low, verb, activity, amount, progress, session,
       background_s::BIGINT AS background_s, coalesce(k.kind, {KINDS.index("other")}) AS kind,
       moment % 86400000000 // {_QUARTER_US} AS quarter,
       CASE WHEN duration_s IS NOT NULL THEN least(greatest(duration_s, 0), {LONGEST_S})::BIGINT END AS duration_s,
       moment - lag(moment) OVER nearest AS gap,
       coalesce(session <> lag(session) OVER nearest, false) AS is_elsewhere,
       coalesce(activity <> lag(activity) OVER nearest, false) AS is_another
FROM laid LEFT JOIN kind k ON k.type = laid.activity_type
WINDOW nearest AS (PARTITION BY enrolment_id, day, from_n ORDER BY moment, id_high, id_low)
""",
    f"""
CREATE OR REPLACE TABLE opened AS
SELECT enrolment_id, day, from_n, until_n, activity,
       max(progress) FILTER (WHERE kind = {KINDS.index("media")}) AS share
FROM piece GROUP BY ALL
""",
    DWELT,
    f"""
CREATE OR REPLACE TABLE day_version AS
WITH counted AS (
    SELECT *, CASE WHEN duration_s IS NOT NULL THEN duration_s * {US}
                   WHEN gap <= {SESSION_GAP_S * US} AND NOT is_elsewhere THEN gap ELSE 0 END AS counts
    FROM piece
), facts AS (
    SELECT enrolment_id, day, from_n, until_n, count(*)::INTEGER AS events,
           least(sum(amount), {_MOST})::INTEGER AS amount,
           (count(*) FILTER (WHERE gap IS NULL OR gap > {SESSION_GAP_S * US}))::INTEGER AS learning_sessions,
           sum(counts)::BIGINT AS counts, max(moment) AS last_moment,
           (count(*) FILTER (WHERE is_another AND gap <= {HASTY_S * US}))::INTEGER AS hasty,
           {_amounts("kind", [f"kind_{kind}" for kind in KINDS])},
           {_amounts("quarter", QUARTERS)}
    FROM counted GROUP BY ALL
), different AS (
    SELECT enrolment_id, day, from_n, count(*)::INTEGER AS activities FROM opened GROUP BY ALL
)
SELECT f.* EXCLUDE (counts, last_moment), d.activities, f.last_moment / {US} AS last_at,
       -- Half a second more is a second, as in PostgreSQL.
       ((coalesce(w.dwelt, f.counts) + {US // 2}) // {US})::INTEGER AS seconds
FROM facts f JOIN different d USING (enrolment_id, day, from_n)
LEFT JOIN dwelt w USING (enrolment_id, day, from_n)
""",
    # The text of an identifier sorts as the identifier does.
    f"""
CREATE OR REPLACE TABLE result_version AS
SELECT enrolment_id, from_n, until_n, printf('%016x%016x', id_high, id_low) AS key, moment / {US} AS moment,
       known_from / {US} AS known_from, scaled, success, is_item, activity
FROM seen WHERE is_result
""",
    f"""
CREATE OR REPLACE TABLE completion_version AS
SELECT enrolment_id, from_n, until_n, activity, moment / {US} AS moment
FROM seen WHERE is_result OR verb IN ({_COMPLETING})
""",
    "DROP TABLE seen",
    "DROP TABLE piece",
)


def lay_out(duck: Any) -> None:
    """Makes the versions of everything of the enrolments in `part`, from `exported` and `point`."""
    types, kinds = kind_table()
    duck.execute(
        "CREATE OR REPLACE VIEW happened AS SELECT * FROM exported SEMI JOIN part USING (enrolment_id)"
    )
    put(duck, "kind", {"type": ("int64", types), "kind": ("int32", kinds)})
    for step in _STEPS:
        duck.execute(step)
