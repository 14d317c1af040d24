"""A nightly stage: how each cohort's features are spread, from a bounded sample, for percentiles to compare with."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from learners.models import Enrolment
from signals.features import cohort
from signals.features.allowed import computable
from signals.features.definitions import FEATURE_SET
from signals.features.serving import computed
from signals.models import CohortGrid

SAMPLE = 400  # a percentile of a sample of 400 is off by less than 5 points, 19 times out of 20
AT_LEAST_EVERY = timedelta(hours=20)  # a beat that runs a little early must not skip a night

_DUE = """
SELECT e.course_id, e.starts_on, array_agg(e.id ORDER BY hashint8extended(e.id, 0), e.id)
FROM learners_enrolment e
JOIN (
    -- Only where somebody's features were computed since: the cost follows the number of cohorts that changed.
    SELECT c.course_id, c.starts_on
    FROM signals_featurerow f JOIN learners_enrolment c ON c.id = f.enrolment_id
    WHERE c.state = 'active'
    GROUP BY c.course_id, c.starts_on
    HAVING count(*) >= %(fewest)s AND NOT EXISTS (
        SELECT FROM signals_cohortgrid g
        WHERE g.course_id = c.course_id AND g.starts_on = c.starts_on AND g.feature_set = %(set)s
          AND (g.as_of > %(stale)s OR g.as_of >= max(f.as_of)))
    ORDER BY max(f.as_of), c.course_id, c.starts_on
    LIMIT %(limit)s
) due ON due.course_id = e.course_id AND due.starts_on = e.starts_on
WHERE e.state = 'active' AND e.enrolled_at <= %(now)s
GROUP BY e.course_id, e.starts_on
ORDER BY e.course_id, e.starts_on
"""


def renew(*, now: datetime, limit: int = 20) -> int:
    """How many cohorts got new grids: those in which something was computed since the last, at most once a night."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DUE,
            {
                "fewest": cohort.FEWEST,
                "set": FEATURE_SET,
                "stale": now - AT_LEAST_EVERY,
                "limit": limit,
                "now": now,
            },
        )
        due = cursor.fetchall()
    made = 0
    for course, starts_on, ids in due:
        with transaction.atomic():
            made += _renew(course, starts_on, ids, now)
    return made


def _renew(course: int, starts_on: date, ids: Sequence[int], now: datetime) -> int:
    # More than a sample, so that it is full though some may not be computed about.
    drawn = Enrolment.objects.select_related("learner").filter(pk__in=ids[: 2 * SAMPLE])
    by_id = drawn.only("learner__erased_at", "learner__merged_into").in_bulk()
    allowed = computable(by_id.values())
    sample = [pk for pk in ids[: 2 * SAMPLE] if by_id[pk].learner_id in allowed][:SAMPLE]
    # As of now for all of them: what is stored of somebody who was not seen for weeks speaks of another day.
    rows = list(computed([(pk, now) for pk in sample]).values())
    grids = cohort.grids(rows) if len(rows) >= cohort.FEWEST else {}
    _prune(course, starts_on)
    if len(rows) < cohort.FEWEST:
        return 0
    _, is_new = CohortGrid.objects.get_or_create(
        course_id=course,
        starts_on=starts_on,
        as_of=now,
        defaults={"feature_set": FEATURE_SET, "people": len(rows), "grids": grids},
    )
    return int(is_new)


def _prune(course: int, starts_on: date) -> None:
    """Takes away grids, but the newest, with which no stored features of the cohort were compared."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM signals_cohortgrid g USING (
                SELECT id, lead(as_of) OVER (ORDER BY as_of) AS until FROM signals_cohortgrid
                WHERE course_id = %(course)s AND starts_on = %(starts_on)s
            ) old
            WHERE g.id = old.id AND old.until IS NOT NULL AND NOT EXISTS (
                SELECT FROM signals_featurerow f JOIN learners_enrolment e ON e.id = f.enrolment_id
                WHERE e.course_id = %(course)s AND e.starts_on = %(starts_on)s
                  AND f.as_of >= g.as_of AND f.as_of < old.until)
            """,
            {"course": course, "starts_on": starts_on},
        )
