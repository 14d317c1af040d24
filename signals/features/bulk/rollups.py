"""The definitions' tables over daily rollups, wherever DuckDB reads them from: a file, a directory of files, a table.

What signals.features.serving asks of PostgreSQL's rollups, for any number of enrolments at once and as of one moment
each. The connection has `enrolment`, as the definitions want it, and `daily`: the columns of DailyRollup, with days
and moments as numbers (days and seconds since 1970).
"""

from typing import Any

from signals.features.kinds import KINDS
from signals.features.rollup import QUARTERS

_AMOUNTS = ", ".join([*(f"kind_{kind}" for kind in KINDS), *QUARTERS])

_VIEWS = {
    "rollup": f"""
        SELECT enrolment_id, day, events, amount, learning_sessions, seconds, last_at, hasty, activities, {_AMOUNTS}
        FROM daily""",
    "material": """
        SELECT enrolment_id, as_of, activity, min(day) AS first_day, max(day) AS last_day, count(*)::INTEGER AS days
        FROM (
            SELECT d.enrolment_id, e.as_of, d.day, unnest(d.opened) AS activity
            FROM daily d JOIN enrolment e USING (enrolment_id) WHERE d.day <= e.as_of_day
        ) GROUP BY ALL""",
    "watched": """
        SELECT enrolment_id, as_of, activity, max(share) AS share
        FROM (
            SELECT d.enrolment_id, e.as_of, unnest(d.watched) AS activity, unnest(d.watched_shares) AS share
            FROM daily d JOIN enrolment e USING (enrolment_id)
            WHERE d.watched IS NOT NULL AND d.day <= e.as_of_day
        ) GROUP BY ALL""",
}


def put_views(duck: Any) -> None:
    """Makes the views `rollup`, `material` and `watched` over the connection's `daily` and `enrolment`."""
    for name, sql in _VIEWS.items():
        duck.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")
