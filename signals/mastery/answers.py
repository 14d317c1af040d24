"""Single answers that show a competency, and the SQL that sums them up for people as of moments."""

from datetime import timedelta
from typing import Any

from learners.models import CompetencyItem
from signals.mastery.factors import FADING, FURTHEST, PRIOR
from signals.models import MasteryFit
from signals.xapi.keys import activity_key


def items() -> dict[int, int]:
    """Which activity shows which competency, as the framework says now."""
    rows = CompetencyItem.objects.order_by("pk").values_list("iri", "competency_id")
    return {activity_key(iri): competency for iri, competency in rows}


def current_fit() -> MasteryFit | None:
    """The newest fit; None before the first one."""
    return MasteryFit.objects.order_by("-fitted_at", "-pk").first()


def parameters(shown: dict[int, int], fit: MasteryFit | None) -> dict[str, Any]:
    """What the SQL below asks for: which items count, and the parameters of each competency."""
    competencies = sorted(set(shown.values()))
    strands = [
        fit.strands.get(str(competency), fit.pooled) if fit is not None else PRIOR
        for competency in competencies
    ]
    return {
        "items": list(shown),
        "shows": list(shown.values()),
        "competencies": competencies,
        "starts": [strand[0] for strand in strands],
        "gains": [strand[1] for strand in strands],
        "losses": [strand[2] for strand in strands],
        "fading": fit.fading if fit is not None else FADING,
        "furthest": FURTHEST,
    }


# From point(n, learner_id, as_of): the faded sums of each person's answers, by competency. An answer counts from when
# it was given; of two at once the id decides, so that an answer that comes late changes nothing but its own place.
_SUMMED = """
answer AS (
    SELECT point.n, item.competency_id, r.enrolment_id, r.occurred_at,
           coalesce(r.success::int::float8, least(greatest(r.scaled, 0), 1)) AS share,
           row_number() OVER (PARTITION BY point.n, item.competency_id
                              ORDER BY r.occurred_at DESC, r.statement_id DESC) AS place
    FROM point
    JOIN learners_enrolment own ON own.learner_id = point.learner_id
    JOIN signals_assessmentresult r ON r.enrolment_id = own.id
    JOIN unnest(%(items)s::bigint[], %(shows)s::bigint[]) AS item (activity, competency_id)
        ON item.activity = r.activity
    WHERE r.is_item AND {stood} AND {seen} <= point.as_of - make_interval(secs => %(lag_s)s)
),
-- Below a weight of a millionth an answer is forgotten; without this bound the power would underflow.
summed AS (
    SELECT n, competency_id, count(*) AS answers, max(occurred_at) AS last_answer_at,
           array_agg(DISTINCT enrolment_id) AS enrolments,
           sum(power(%(fading)s::float8, least(place - 1, 2000)) * share) AS right,
           sum(power(%(fading)s::float8, least(place - 1, 2000)) * (1 - share)) AS wrong
    FROM answer GROUP BY n, competency_id
),
-- As signals.mastery.factors.estimate: the same formula, for many at once.
estimated AS (
    SELECT s.*, 1 / (1 + exp(-least(greatest(
        strand.start + strand.gain * (s.right + s.wrong) - strand.loss * s.wrong,
        -%(furthest)s::float8), %(furthest)s::float8))) AS value
    FROM summed s
    JOIN unnest(%(competencies)s::bigint[], %(starts)s::float8[], %(gains)s::float8[], %(losses)s::float8[])
        AS strand (competency_id, start, gain, loss) USING (competency_id)
)
"""

# What serves the present has been stored; a clock a few minutes ahead of ours means "now".
PRESENT = _SUMMED.format(seen="r.occurred_at", stood="r.voided_seq IS NULL")
CLOCK_AHEAD = timedelta(minutes=10)
# What is told of the past leaves out what came to be known only later (of an event in the cold store, that is lost),
# and still counts what was taken back only later.
PAST = _SUMMED.format(
    stood="""(r.voided_seq IS NULL OR EXISTS (
        SELECT FROM signals_statement s WHERE s.id = r.statement_id AND s.voided_at > point.as_of))""",
    seen="""greatest(r.occurred_at, (SELECT v.known_at FROM signals_event v
                                 WHERE v.occurred_at = r.occurred_at AND v.statement_id = r.statement_id))""",
)
