"""Which coach a case is suggested to, and why: in words that the inbox shows.

The coach named for the learner comes first. Otherwise of those in whose reach the learner is, without conflict: who
knows their way about in the course or the competency, speaks the learner's language, and has the fewest cases in hand.
Whoever has as many as they can carry is passed over, named or not; if that is everybody, the case waits in the inbox of
all. Nobody takes on more than they can carry either, unless the learner asked for a person themselves.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Q

from coaching.models import Case
from coaching.querysets import CaseQuerySet
from interventions.policy import store
from interventions.policy.document import Document
from learners import coaches
from learners.models import CoachProfile, CoachSkill, User

NOBODY = "no coach is in reach who is not in conflict"
ALL_FULL = "every coach in reach has as many cases as they can carry"
NO_SKILL = "no coach in reach who has room knows this course or competency"


class Wanted(NamedTuple):
    """Somebody to be looked after: whom, in which course, and the competency that is weakest, where it is known."""

    learner_id: UUID
    course_id: int
    language: str
    competency: str | None


class Suggested(NamedTuple):
    """A coach and why; or nobody, and why not."""

    user: User | None
    because: str


class _Known(NamedTuple):
    """What is known of one coach."""

    languages: frozenset[str]
    courses: frozenset[int]
    competencies: frozenset[str]
    most: int | None  # None: no limit

    @property
    def is_general(self) -> bool:
        return not self.courses and not self.competencies


def choose(wanted: Sequence[Wanted], *, now: datetime) -> list[Suggested]:
    """A suggestion for each, in this order; in a fixed number of queries. What one gets counts for the next."""
    if not wanted:
        return []
    on = now.date()
    ids = {one.learner_id for one in wanted}
    reach = coaches.reach(ids, on=on)
    named = coaches.dated(ids, on=on)
    _one_at_a_time({user.pk for found in reach.values() for user in found})
    users = {user.pk: user for found in reach.values() for user in found}
    known = _known(users, store.document(store.live()))
    load = cases_in_hand(users)
    chosen = []
    for one in wanted:
        found = _choose(one, reach.get(one.learner_id, []), named, known, load)
        if found.user is not None:
            load[found.user.pk] = load.get(found.user.pk, 0) + 1
        chosen.append(found)
    return chosen


def has_room(user: User, *, beside: Case) -> bool:
    """Can this coach carry that case too? Inside a transaction: whoever hands them another waits for the answer."""
    _one_at_a_time({user.pk})
    known = _known({user.pk: user}, store.document(store.live()))[user.pk]
    return _has_room(known, _in_hand([user.pk]).exclude(pk=beside.pk).count())


def _one_at_a_time(users: Collection[UUID]) -> None:
    """Who hands out cases counts what these coaches have while nobody else hands them any. Inside a transaction."""
    list(User.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=users).order_by("pk"))


def eligible(case: Case, *, now: datetime) -> list[User]:
    """Every coach who may take this case, suggested or not."""
    learner_id = case.enrolment.learner_id
    return coaches.reach([learner_id], on=now.date())[learner_id]


def cases_in_hand(users: Iterable[UUID]) -> dict[UUID, int]:
    """How many people each of these has to look after: escalations and cases taken on. A yes or no is no load."""
    rows = _in_hand(users).order_by().values_list("assignee").annotate(cases=Count("pk"))
    return {pk: cases for pk, cases in rows if pk is not None}


def _in_hand(users: Iterable[UUID]) -> CaseQuerySet:
    return Case.objects.open().filter(
        Q(is_escalation=True) | Q(state=Case.State.ACCEPTED), assignee__in=list(users)
    )


def most_cases(policy: Document) -> int | None:
    """How many cases the policy's hours a week leave room for; None where a case costs no time."""
    if not policy.costs.coach:
        return None
    return max(1, int(policy.limits.coach_hours_week * 60 // policy.costs.coach))


def _choose(
    one: Wanted,
    reach: Sequence[User],
    named: set[tuple[UUID, UUID]],
    known: dict[UUID, _Known],
    load: dict[UUID, int],
) -> Suggested:
    if not reach:
        return Suggested(None, NOBODY)
    with_room = [user for user in reach if _has_room(known[user.pk], load.get(user.pk, 0))]
    for user in with_room:
        if (one.learner_id, user.pk) in named:
            return Suggested(user, "coach of this learner already")
    if not with_room:
        return Suggested(None, ALL_FULL)
    able = [user for user in with_room if _knows(known[user.pk], one) or known[user.pk].is_general]
    if not able:
        return Suggested(None, NO_SKILL)
    best = min(
        able,
        key=lambda user: (
            not _knows(known[user.pk], one),
            one.language not in known[user.pk].languages,
            load.get(user.pk, 0),
            reach.index(user),
        ),
    )
    return Suggested(best, _because(known[best.pk], one, load.get(best.pk, 0)))


def _has_room(coach: _Known, load: int) -> bool:
    return coach.most is None or load < coach.most


def _knows(coach: _Known, one: Wanted) -> bool:
    return one.course_id in coach.courses or (
        one.competency is not None and one.competency in coach.competencies
    )


def _because(coach: _Known, one: Wanted, load: int) -> str:
    said = []
    if one.course_id in coach.courses:
        said.append("knows this course")
    elif _knows(coach, one):
        said.append("knows what is weakest here")
    if one.language in coach.languages:
        said.append("speaks the learner’s language")
    room = f"{load} of {coach.most}" if coach.most is not None else f"{load}"
    said.append(f"{room} cases in hand")
    return ", ".join(said)


def _known(users: dict[UUID, User], policy: Document) -> dict[UUID, _Known]:
    profiles = CoachProfile.objects.in_bulk(list(users))
    courses: dict[UUID, set[int]] = defaultdict(set)
    competencies: dict[UUID, set[str]] = defaultdict(set)
    skills = CoachSkill.objects.filter(user__in=users).order_by("pk")
    for user_id, course_id, key in skills.values_list("user_id", "course_id", "competency__key"):
        if course_id is not None:
            courses[user_id].add(course_id)
        else:
            competencies[user_id].add(key)
    usual = most_cases(policy)
    found = {}
    for pk, user in users.items():
        profile = profiles.get(pk)
        found[pk] = _Known(
            languages=frozenset([user.language, *(profile.languages if profile else [])]),
            courses=frozenset(courses[pk]),
            competencies=frozenset(competencies[pk]),
            most=profile.most_cases if profile and profile.most_cases is not None else usual,
        )
    return found
