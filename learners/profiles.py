"""What learners say about themselves: the levels they bring along, how they like to learn, what they want to reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from django.db import transaction

from consent import gate
from consent.scopes import Scope
from learners.models import (
    BaselineSkill,
    Competency,
    Course,
    Goal,
    Learner,
    Preferences,
    RoleCompetency,
)

MOST_GOALS = 20


class TooManyGoals(Exception):
    """Nobody pursues more than MOST_GOALS goals at once."""


@dataclass(frozen=True)
class Ability:
    """One competency of a learner: what was last said of it, and what their role asks for."""

    competency: Competency
    baseline: BaselineSkill | None
    required: int | None
    is_asked: bool  # by the role, at a stated level or not


def abilities(learner: Learner) -> list[Ability]:
    """What the learner's role asks for and what was ever said of them, by name."""
    baselines = {
        row.competency_id: row
        for row in BaselineSkill.objects.filter(learner=learner).newest().select_related("competency")
    }
    asked: dict[int, RoleCompetency] = {
        row.competency_id: row
        for row in RoleCompetency.objects.filter(job_role=learner.job_role_id).select_related("competency")
        if learner.job_role_id is not None
    }
    competencies = {row.competency_id: row.competency for row in asked.values()}
    competencies |= {row.competency_id: row.competency for row in baselines.values()}
    return [
        Ability(
            competency=competencies[pk],
            baseline=baselines.get(pk),
            required=asked[pk].level if pk in asked else None,
            is_asked=pk in asked,
        )
        for pk in sorted(competencies, key=lambda pk: (competencies[pk].name, pk))
    ]


def say_level(*, learner: Learner, competency: Competency, level: int, now: datetime) -> BaselineSkill:
    """The learner's own word on a competency, as of today; the last word of a day counts."""
    row, _ = BaselineSkill.objects.update_or_create(
        learner=learner,
        competency=competency,
        source=BaselineSkill.Source.SELF,
        as_of=now.date(),
        defaults={"level": level},
    )
    return row


def take_back(*, learner: Learner, competency: Competency) -> int:
    """How many of the learner's own words on a competency are gone; what others said is not theirs to remove."""
    rows = BaselineSkill.objects.filter(
        learner=learner, competency=competency, source=BaselineSkill.Source.SELF
    )
    return rows.delete()[0]


def set_preferences(
    *,
    learner: Learner,
    channel: str,
    learning_format: str,
    quiet_from: time | None,
    quiet_to: time | None,
    now: datetime,
) -> Preferences:
    """How the learner likes to be reached and to learn."""
    row, _ = Preferences.objects.update_or_create(
        learner=learner,
        defaults={
            "channel": channel,
            "learning_format": learning_format,
            "quiet_from": quiet_from,
            "quiet_to": quiet_to,
            "changed_at": now,
        },
    )
    return row


@transaction.atomic
def set_goal(
    *,
    learner: Learner,
    by_date: date,
    now: datetime,
    competency: Competency | None = None,
    course: Course | None = None,
    words: str = "",
) -> Goal:
    """A new goal. Raises TooManyGoals."""
    Learner.objects.select_for_update(no_key=True).get(pk=learner.pk)  # two at once count each other
    if Goal.objects.filter(learner=learner, reached_at__isnull=True).count() >= MOST_GOALS:
        raise TooManyGoals
    return Goal.objects.create(
        learner=learner,
        by_date=by_date,
        competency=competency,
        course=course,
        words=words.strip(),
        made_at=now,
    )


def reach(*, goal: Goal, now: datetime) -> bool:
    """Whether it was open until now."""
    return bool(Goal.objects.filter(pk=goal.pk, reached_at__isnull=True).update(reached_at=now))


def gaps(learner: Learner) -> Mapping[Competency, int]:
    """By how many levels the learner is below what their role asks, where both are known and they allow a profile."""
    if not gate.allows(learner.pk, Scope.PROFILE):
        return {}
    return {
        one.competency: one.required - one.baseline.level
        for one in abilities(learner)
        if one.required is not None and one.baseline is not None and one.baseline.level < one.required
    }
