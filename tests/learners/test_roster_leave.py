"""Leave as the roster tells it: when, and never why."""

from datetime import date

import pytest

from learners.models import Learner
from learners.roster import RosterFaults, import_people
from learners.roster.reading import LEAVE, REQUIRED
from tests.learners.test_roster import WORKER, person, roster
from tests.support.learners import NOW

pytestmark = pytest.mark.django_db
ALONE = {**WORKER, "manager_employee_id": ""}
AWAY = {**ALONE, "leave_from": "2026-03-09", "leave_until": "2026-03-20"}


def load(one: dict[str, str], *, columns: tuple[str, ...] = (*REQUIRED, *LEAVE)) -> list[str]:
    return import_people(roster(one, columns=columns), now=NOW).lines()


def leave() -> tuple[date | None, date | None]:
    learner: Learner = person("2")
    return learner.leave_from, learner.leave_until


def test_it_reads_the_first_and_the_last_day_and_names_neither() -> None:
    load(ALONE)

    told = load(AWAY)

    assert leave() == (date(2026, 3, 9), date(2026, 3, 20))
    assert told == ["changed: 2: leave"]
    assert load(AWAY) == ["Nothing to change."]


def test_it_forgets_leave_that_the_next_roster_does_not_name() -> None:
    load(AWAY)

    load(ALONE)

    assert leave() == (None, None)


def test_it_leaves_leave_alone_without_its_columns() -> None:
    load(AWAY)

    load(ALONE, columns=REQUIRED)

    assert leave() == (date(2026, 3, 9), date(2026, 3, 20))


@pytest.mark.parametrize(
    ("one", "columns", "said"),
    [
        ({**AWAY, "leave_until": ""}, (*REQUIRED, *LEAVE), "both its first day"),
        ({**AWAY, "leave_until": "2026-03-01"}, (*REQUIRED, *LEAVE), "leave_until is before leave_from"),
        ({**AWAY, "leave_from": "soon"}, (*REQUIRED, *LEAVE), "leave_from 'soon' is no date"),
        (AWAY, (*REQUIRED, "leave_from"), "come together, or not at all"),
    ],
)
def test_it_refuses_half_a_leave(one: dict[str, str], columns: tuple[str, ...], said: str) -> None:
    with pytest.raises(RosterFaults, match=said):
        load(one, columns=columns)

    assert not Learner.objects.exists()
