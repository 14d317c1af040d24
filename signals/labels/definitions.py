"""The questions about the future that labels answer, each with its version: a changed meaning is a new one."""

from dataclasses import dataclass
from enum import StrEnum

# A rise to this opens the window of the untreated, a fall to that closes it well. They belong to version 1 of
# the definitions and stay, whatever the policy's bands become: a label must mean the same next year.
ROSE_ABOVE = 0.45
RECOVERED_BELOW = 0.35
# Points of a hundred by which a competency's score must rise, and over how many scores it is averaged.
GAIN = 0.10
GAIN_SCORES = 5
# Results reach us after a course's last day. Who has neither passed nor left by then has not passed by its end.
SETTLES_DAYS = 30


class Kind(StrEnum):
    OUTCOME = "outcome"  # what the help is for
    PROXY = "proxy"  # stands for it, and comes sooner
    HYBRID = "hybrid"  # an outcome together with something that we or the learner did


@dataclass(frozen=True, slots=True)
class Definition:
    """One question about the future that a label answers."""

    name: str
    version: int
    kind: Kind
    horizon_days: int | None  # None: to the end of the enrolment
    question: str
    censoring: str  # when the answer is not known, and stays so
    rationale: str

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


class UnknownDefinition(ValueError):
    """No label definition has this name and version, or it has another horizon."""


DEFINITIONS: dict[str, Definition] = {
    definition.key: definition
    for definition in (
        Definition(
            "passed_by_end",
            1,
            Kind.OUTCOME,
            None,
            "Was the course completed and passed by the end of the enrolment, or of its due date, with "
            f"{SETTLES_DAYS} days for the result to arrive? Withdrawn is not passed.",
            "The enrolment is still running, or the use of the learner's data ended.",
            "What the course is for, for everybody who was enrolled: leaving is an answer, not a gap. It is known "
            "late, so what is learned from it is a course or two old.",
        ),
        Definition(
            "pass_30d",
            1,
            Kind.OUTCOME,
            30,
            "Was the course completed and passed within 30 days?",
            "The enrolment was withdrawn, or the use of the learner's data ended, before day 30.",
            "What the course is for; slow, and rare in long courses.",
        ),
        Definition(
            "recovered_14d",
            1,
            Kind.PROXY,
            14,
            f"Did the trigger's recovery rule hold within 14 days (untreated: risk below {RECOVERED_BELOW})?",
            "The enrolment ended otherwise than by completing, or the use of the data ended, before day 14.",
            "Quick enough to learn from every week, and what an intervention tries to do.",
        ),
        Definition(
            "skill_gain_10pt",
            1,
            Kind.OUTCOME,
            60,
            "Did the score of the competency that was weakest rise by at least 10 points within 60 days?",
            "No second measurement of the competency within 60 days.",
            "Learning rather than clicking; needs two measurements, so it is often censored.",
        ),
        Definition(
            "next_course_45d",
            1,
            Kind.PROXY,
            45,
            "Did the learner start another course within 45 days?",
            "The learner left the organisation before day 45.",
            "A proxy for lasting engagement, for courses that end soon after the signal.",
        ),
        Definition(
            "accepted_and_passed",
            1,
            Kind.HYBRID,
            30,
            "Was the help accepted, and the course passed within 30 days?",
            "As pass_30d; and where the help never reached the learner.",
            "A hybrid: help that is ignored teaches nothing about whether it works.",
        ),
        Definition(
            "needed_help",
            1,
            Kind.PROXY,
            0,
            "Did the person who looked into it say that the flag was right?",
            "Nobody looked, or they could not tell.",
            "A human's word on the flag itself, apart from whether acting on it helped.",
        ),
    )
}


def definition_of(key: str) -> Definition:
    """The definition of this name and version. Raises UnknownDefinition naming those there are."""
    found = DEFINITIONS.get(key)
    if found is None:
        raise UnknownDefinition(f"{key!r} is none of {', '.join(sorted(DEFINITIONS))}.")
    return found
