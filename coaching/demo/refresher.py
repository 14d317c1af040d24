"""A made-up course of ten days beside the real run, so that something is due soon: the real one lasts nine months.

Some people register for it, on days of their own. Some do its five steps in time, some stop early and come back, and
all have finished it three days after it was due, so that nobody's case goes on about a course that never was.
"""

from typing import Any

from coaching.demo.drawing import draw
from coaching.demo.statements import ROOT
from learners.models import Course, PlanStep

IRI = f"{ROOT}/sample-layer/refresher"
NAME = "Yearly safety refresher (made up)"
LENGTH_DAYS = 10
STEPS = {
    f"step-{number}": 2 * number for number in range(1, 6)
}  # → the day, from registering, on which it is due
ONE_IN = 8
FIRST, DAYS = 8, 84  # of the run: on which of its days people register

Planned = tuple[int, str, str, dict[str, object]]  # day of the run, verb, what, result


def make_course() -> Course:
    """Makes sure of the course and its plan; twice changes nothing."""
    course, _ = Course.objects.get_or_create(iri=IRI, defaults={"name": NAME, "length_days": LENGTH_DAYS})
    PlanStep.objects.bulk_create(
        [
            PlanStep(
                course=course, activity_iri=f"{IRI}/{step}", name=step.replace("-", " ").title(), due_day=day
            )
            for step, day in STEPS.items()
        ],
        ignore_conflicts=True,
    )
    return course


def plan_of(person: int) -> list[Planned]:
    """What somebody does in it, day by day; nothing for most."""
    if draw("refresher", person) % ONE_IN:
        return []
    began = FIRST + draw("refresher day", person) % DAYS
    in_time = draw("refresher steps", person) % (len(STEPS) + 1)
    done: dict[str, Any] = {"completion": True}
    planned: list[Planned] = [(began, "registered", "refresher", {})]
    for place, (step, due) in enumerate(STEPS.items()):
        # Whoever stops early comes back when the course is nearly over, and does the rest.
        day = due - 1 if place < in_time else LENGTH_DAYS + place // 3
        planned.append((began + day, "completed", f"refresher/{step}", done))
    planned.append((began + LENGTH_DAYS + 3, "completed", "refresher", done))
    return planned
