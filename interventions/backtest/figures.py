"""What a policy would have meant: alerts, cases, hours, whom, and how often it was right; by slice. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from interventions.backtest.intervals import Share
from interventions.backtest.simulate import Act, Kind
from interventions.policy.document import Document

LEAST_SHOWN = 5  # people in a slice; of fewer nothing is shown
DIMENSIONS = ("impact", "unit", "course")


class Slice(NamedTuple):
    dimension: str
    key: str  # the impact; the unit's or the course's id as text, "" for people without a unit


class Figures:
    """Counts of one policy over one span. Keeps sets of ids while counting; tells numbers only."""

    def __init__(self, policy: Document) -> None:
        self.policy = policy
        self.kinds: Counter[Kind] = Counter()
        self.by_slice: dict[Slice, Counter[Kind]] = defaultdict(Counter)
        self.alerted: set[UUID] = set()  # by a message
        self.with_person: set[UUID] = set()  # by way of a manager or a coach
        self.flags = 0
        self.judged = 0
        self.right = 0

    def add(self, acts: Iterable[Act], slices: Mapping[int, tuple[str, str]]) -> list[Act]:
        """Counts these acts. ``slices``: enrolment → unit and course. Returns the flags among them."""
        flags = []
        for act in acts:
            self.kinds[act.kind] += 1
            unit, course = slices[act.enrolment_id]
            for one in (Slice("impact", act.impact), Slice("unit", unit), Slice("course", course)):
                self.by_slice[one][act.kind] += 1
            if act.kind == Kind.LEARNER:
                self.alerted.add(act.learner_id)
            elif act.kind in (Kind.MANAGER, Kind.COACH):
                self.with_person.add(act.learner_id)
            if act.is_flag:
                flags.append(act)
        self.flags += len(flags)
        return flags

    def judge(self, was_right: bool | None) -> None:
        """What is known of one flag."""
        if was_right is not None:
            self.judged += 1
            self.right += was_right

    @property
    def precision(self) -> Share:
        return Share(self.right, self.judged)

    def told(self, *, weeks: float, share: float) -> dict[str, Any]:
        """The figures a week, scaled up where only a share of the people was walked."""
        week = weeks * share
        precision = self.precision
        return {
            "learner_alerts_per_week": self.kinds[Kind.LEARNER] / week,
            "manager_alerts_per_week": self.kinds[Kind.MANAGER] / week,
            "coach_cases_per_week": self.kinds[Kind.COACH] / week,
            "kept_back_by_the_cap_per_week": self.kinds[Kind.CAPPED] / week,
            "declined_per_week": self.kinds[Kind.DECLINED] / week,
            "coach_hours_per_week": self.kinds[Kind.COACH] / week * self.policy.costs.coach / 60,
            "manager_hours_per_week": self.kinds[Kind.MANAGER] / week * self.policy.costs.manager / 60,
            "people_alerted": round(len(self.alerted) / share),
            "people_passed_to_a_person": round(len(self.with_person) / share),
            "flags": self.flags,
            "precision": {
                "right": precision.part,
                "judged": precision.whole,
                "value": precision.value,
                "low": precision.low,
                "high": precision.high,
            },
        }


def hidden(people: Mapping[Slice, set[UUID]]) -> set[Slice]:
    """The slices too small to show: of fewer than five people, and one more where the total would give one away."""
    small = {one for one, members in people.items() if len(members) < LEAST_SHOWN}
    for dimension in DIMENSIONS:
        here = [one for one in people if one.dimension == dimension]
        unseen = [one for one in here if one in small]
        if len(unseen) == 1 and len(here) > 1:
            rest = [one for one in here if one not in small]
            small.add(min(rest, key=lambda one: (len(people[one]), one.key)))
    return small
