"""Stage 9: what turned out to be true, by versioned definitions. Outcomes report here.

A label is recorded once, when its horizon has passed: a success noted early and a failure noted late would
make the quick look better than they are. Where the horizon cannot be watched to its end (the learner left,
withdrew or said no), the label is censored: its value is null.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

# A rise to this opens the window of the untreated, a fall to that closes it well. They belong to version 1 of
# the definitions and stay, whatever the policy's bands become: a label must mean the same next year.
ROSE_ABOVE = 0.45
RECOVERED_BELOW = 0.35


@dataclass(frozen=True, slots=True)
class Definition:
    """One question about the future that a label answers."""

    name: str
    version: int
    horizon_days: int
    question: str
    censoring: str
    rationale: str

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


DEFINITIONS: dict[str, Definition] = {
    definition.key: definition
    for definition in (
        Definition(
            "pass_30d",
            1,
            30,
            "Was the course completed and passed within 30 days?",
            "The enrolment was withdrawn, or the use of the learner's data ended, before day 30.",
            "What the course is for; slow, and rare in long courses.",
        ),
        Definition(
            "recovered_14d",
            1,
            14,
            f"Did the trigger's recovery rule hold within 14 days (untreated: risk below {RECOVERED_BELOW})?",
            "The enrolment ended otherwise than by completing, or the use of the data ended, before day 14.",
            "Quick enough to learn from every week, and what an intervention tries to do.",
        ),
        Definition(
            "skill_gain_10pt",
            1,
            60,
            "Did the competency's score rise by at least 10 points within 60 days?",
            "No second measurement of the competency within 60 days.",
            "Learning rather than clicking; needs two measurements, so it is often censored.",
        ),
        Definition(
            "next_course_45d",
            1,
            45,
            "Did the learner start another course within 45 days?",
            "The learner left the organisation before day 45.",
            "A proxy for lasting engagement, for courses that end soon after the signal.",
        ),
        Definition(
            "accepted_and_passed",
            1,
            30,
            "Was the help accepted, and the course passed within 30 days?",
            "As pass_30d; and where the help never reached the learner.",
            "A hybrid: help that is ignored teaches nothing about whether it works.",
        ),
        Definition(
            "needed_help",
            1,
            0,
            "Did the person who looked into it say that the flag was right?",
            "Nobody looked, or they could not tell.",
            "A human's word on the flag itself, apart from whether acting on it helped.",
        ),
    )
}


class UnknownDefinition(ValueError):
    """No label definition has this name and version, or it has another horizon."""


class LabelTooEarly(ValueError):
    """The label's date lies ahead, or its horizon has not passed."""


def record(
    *,
    enrolment_id: int,
    as_of: datetime,
    definition: str,
    value: bool | None,
    horizon_days: int,
    treated: bool,
    propensity: float | None,
    now: datetime,
) -> bool:
    """Whether the label is new. The first one recorded for an enrolment, date and definition stays."""
    known = DEFINITIONS.get(definition)
    if known is None:
        raise UnknownDefinition(f"{definition!r} is none of {', '.join(sorted(DEFINITIONS))}.")
    if known.horizon_days != horizon_days:
        raise UnknownDefinition(f"{definition} looks {known.horizon_days} days ahead, not {horizon_days}.")
    if as_of > now:
        raise LabelTooEarly(f"A label cannot be dated ahead ({as_of.isoformat()}).")
    if value is not None and now < as_of + timedelta(days=horizon_days):
        raise LabelTooEarly(
            f"{definition} as of {as_of.isoformat()} is known only {horizon_days} days later."
        )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO signals_label
                (enrolment_id, as_of, definition, value, horizon_days, treated, propensity, recorded_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (enrolment_id, as_of, definition) DO NOTHING
            """,
            [enrolment_id, as_of, definition, value, horizon_days, treated, propensity, now],
        )
        return cursor.rowcount == 1


# Treatments report once their own horizon has passed; one that began on the last day of the window reports a
# whole horizon later. Only then is "nobody has treated this" a fact.
_LOOKS_BACK = timedelta(days=60)

_UNTREATED = """
WITH rises AS (
    SELECT r.enrolment_id, r.at, r.at + %(horizon)s AS until, e.state, e.ended_at
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
        horizon = timedelta(days=DEFINITIONS[key].horizon_days)
        settled = now - 2 * horizon
        with connection.cursor() as cursor:
            cursor.execute(
                _UNTREATED.format(came_true=came_true),
                {
                    # timedelta and datetime are psycopg's to write; the stubs know plain numbers and text only.
                    "horizon": horizon,  # type: ignore[dict-item]
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
