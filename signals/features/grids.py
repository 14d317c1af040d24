"""The grids that enrolments are compared with, each cohort's newest at a moment."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from signals.features import cohort
from signals.features.definitions import FEATURE_SET
from signals.models import CohortGrid

_KNOWN: dict[int, dict[str, cohort.Grid]] = {}  # grids never change once they are written
_MOST_KEPT = 2000


def grids_for(points: Sequence[tuple[int, datetime]]) -> dict[int, dict[str, cohort.Grid]]:
    """Enrolment → the grids of its cohort that were the newest at its moment; nothing where there was none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, g.id FROM unnest(%s::bigint[], %s::timestamptz[]) p (id, as_of)"
            " JOIN learners_enrolment e ON e.id = p.id CROSS JOIN LATERAL ("
            " SELECT q.id FROM signals_cohortgrid q WHERE q.course_id = e.course_id AND q.starts_on = e.starts_on"
            " AND q.as_of <= p.as_of AND q.feature_set = %s ORDER BY q.as_of DESC LIMIT 1) g",
            [[pk for pk, _ in points], [as_of for _, as_of in points], FEATURE_SET],
        )
        of = dict(cursor.fetchall())
    wanted = set(of.values())
    missing = wanted - _KNOWN.keys()
    if missing:
        if len(_KNOWN) + len(missing) > _MOST_KEPT:
            _KNOWN.clear()
            missing = wanted
        for pk, grids in CohortGrid.objects.filter(pk__in=missing).values_list("pk", "grids"):
            _KNOWN[pk] = {key: tuple(grid) for key, grid in grids.items()}
    return {pk: _KNOWN[grid] for pk, grid in of.items()}
