"""What the database promises about routes that go out by themselves: each promise is tested by breaking it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from interventions.models import AutomaticRoute
from tests.support.interventions import NOW, make_automatic_route
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("action", ["manager", "coach", "monitor"])
def test_it_never_lets_what_reaches_managers_and_coaches_go_out_by_itself(action: str) -> None:
    with Broken("only_what_goes_to_learners_is_ever_automatic"):
        make_automatic_route(action=action)


def test_it_has_a_route_automatic_once_at_a_time() -> None:
    make_automatic_route()

    with Broken("a_route_is_automatic_once_at_a_time"):
        make_automatic_route()


@pytest.mark.parametrize("cell", [{"band": "low"}, {"impact": "huge"}])
def test_it_knows_the_cells_of_the_matrix(cell: dict[str, str]) -> None:
    with Broken("an_automatic_route_is_a_cell_of_the_matrix"):
        make_automatic_route(**cell)


@pytest.mark.parametrize(
    "figures", [{"earned_low": 0.79}, {"earned_right": 31}, {"earned_right": 0, "earned_judged": 0}]
)
def test_it_is_earned_above_its_bar(figures: dict[str, Any]) -> None:
    with Broken("a_route_is_earned_above_its_bar"):
        make_automatic_route(**figures)


@pytest.mark.parametrize(
    "end",
    [
        {"lost_at": NOW},
        {"lost_because": "precision"},
        {"lost_at": NOW, "lost_because": "precision"},
        {"lost_at": NOW, "lost_because": "precision", "lost_right": 9, "lost_judged": 8},
        {"lost_at": NOW, "lost_right": 7, "lost_judged": 8},
        {
            "lost_at": NOW - timedelta(seconds=1),
            "lost_because": "precision",
            "lost_right": 7,
            "lost_judged": 8,
        },
    ],
)
def test_it_is_lost_at_a_time_with_its_figures(end: dict[str, Any]) -> None:
    row = make_automatic_route()

    with Broken("a_route_is_lost_at_a_time_with_its_figures"):
        AutomaticRoute.objects.filter(pk=row.pk).update(**end)


@pytest.mark.parametrize("end", [{"lost_because": "by_a_person"}, {"lost_by": uuid4()}])
def test_it_names_the_person_who_took_a_route_back(end: dict[str, Any]) -> None:
    row = make_automatic_route()

    with Broken("only_a_person_takes_a_route_back_by_hand"):
        AutomaticRoute.objects.filter(pk=row.pk).update(
            **{"lost_at": NOW, "lost_because": "precision", "lost_right": 1, "lost_judged": 8, **end}
        )
