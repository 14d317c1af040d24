"""What becomes of those whom nobody treats: labels for risks that rose and were left alone."""

from datetime import datetime, timedelta

from django.db import connection

from signals.labels.definitions import RECOVERED_BELOW, ROSE_ABOVE, definition_of

# Treatments report once their own horizon has passed; one that began on the last day of the window reports a
# whole horizon later. Only then is "nobody has treated this" a fact.
_LOOKS_BACK = timedelta(days=60)

_UNTREATED = """
WITH rises AS (
    SELECT r.enrolment_id, r.at, r.at + make_interval(days => %(days)s) AS until, e.state, e.ended_at
    FROM signals_riskchange r
    JOIN learners_enrolment e ON e.id = r.enrolment_id
    -- What a person does is known under one of their records only.
    JOIN learners_learner person ON person.id = e.learner_id AND person.merged_into_id IS NULL
    WHERE r.at <= %(settled)s AND r.at > %(oldest)s
      AND r.after > %(rose)s AND coalesce(r.before, 0) <= %(rose)s
      AND NOT EXISTS (SELECT FROM signals_label l
                      WHERE l.enrolment_id = r.enrolment_id AND (l.treated OR
                            (l.as_of = r.at AND l.definition = %(definition)s)))
    ORDER BY r.at, r.id
    LIMIT %(limit)s
)
INSERT INTO signals_label
    (enrolment_id, as_of, definition, value, horizon_days, treated, propensity, recorded_at)
SELECT enrolment_id, at, %(definition)s,
       CASE WHEN {came_true} THEN true
            -- Who left before the window closed cannot be watched to its end.
            WHEN ended_at IS NOT NULL AND ended_at <= until AND state <> 'failed' THEN NULL
            ELSE false END,
       %(days)s, false, NULL, %(now)s
FROM rises
ON CONFLICT (enrolment_id, as_of, definition) DO NOTHING
"""
_CAME_TRUE = {
    "recovered_14d@1": """(
        (state = 'completed' AND ended_at > at AND ended_at <= until)
        OR EXISTS (SELECT FROM signals_riskchange later
                   WHERE later.enrolment_id = rises.enrolment_id AND later.at > rises.at AND later.at <= until
                     AND later.after < %(recovered)s))""",
    "pass_30d@1": "state = 'completed' AND ended_at > at AND ended_at <= until",
}


def untreated(*, now: datetime, limit: int = 1000) -> int:
    """How many labels were made for risks that rose and that nobody acted upon: what happens by itself."""
    made = 0
    for key, came_true in _CAME_TRUE.items():
        horizon = timedelta(days=definition_of(key).horizon_days or 0)
        settled = now - 2 * horizon
        with connection.cursor() as cursor:
            cursor.execute(
                _UNTREATED.format(came_true=came_true),
                {
                    "settled": settled,
                    "oldest": settled - _LOOKS_BACK,
                    "rose": ROSE_ABOVE,
                    "recovered": RECOVERED_BELOW,
                    "definition": key,
                    "days": horizon.days,
                    "limit": limit,
                    "now": now,
                },
            )
            made += cursor.rowcount
    return made
