"""Where somebody works, when it is a holiday there, and which calendars there are."""

from datetime import date
from typing import Any

import pytest
from django.test import override_settings

from learners import workdays
from learners.forms import OrgUnitForm
from learners.workdays import UnknownCalendar, Workplace
from tests.support.learners import make_learner, make_unit


def test_it_knows_the_holidays_of_a_country_and_of_a_part_of_it() -> None:
    here = {"first": date(2026, 1, 2), "last": date(2026, 1, 31)}

    assert workdays.public_holidays("DE", **here) == {}
    assert workdays.public_holidays("DE-BY", **here) == {date(2026, 1, 6): "Epiphany"}


def test_it_goes_over_the_end_of_a_year() -> None:
    found = workdays.public_holidays("DE", first=date(2026, 12, 26), last=date(2027, 1, 1))

    assert list(found) == [date(2026, 12, 26), date(2027, 1, 1)]


def test_it_has_no_holidays_where_no_calendar_is_named_or_is_known_any_more() -> None:
    year = {"first": date(2026, 1, 1), "last": date(2026, 12, 31)}

    assert workdays.public_holidays("", **year) == workdays.public_holidays("XX", **year) == {}


@pytest.mark.parametrize("calendar", ["XX", "DE-XX", "Germany"])
def test_it_refuses_a_calendar_that_does_not_exist(calendar: str) -> None:
    with pytest.raises(UnknownCalendar, match="write a country as DE"):
        workdays.check_calendar(calendar)


@pytest.mark.django_db
@override_settings(ORGANISATION_HOLIDAYS="IE")
def test_it_finds_everybody_s_place_in_one_query(django_assert_num_queries: Any) -> None:
    top = make_unit(holidays="DE")
    below = make_unit(parent=top)
    inside = make_learner(unit=below, leave_from=date(2026, 3, 2), leave_until=date(2026, 3, 6))
    nowhere = make_learner()

    with django_assert_num_queries(1):
        found = workdays.workplaces([inside.pk, nowhere.pk])

    assert found == {
        inside.pk: Workplace((below.pk, top.pk), "DE", (date(2026, 3, 2), date(2026, 3, 6))),
        nowhere.pk: Workplace((), "IE", None),
    }


@pytest.mark.django_db
def test_the_form_of_a_unit_takes_known_calendars_only() -> None:
    def form(calendar: str) -> OrgUnitForm:
        return OrgUnitForm({"code": "depot", "name": "Depot", "holidays": calendar})

    good, bad = form("de-by"), form("Bavaria")

    assert good.is_valid()
    assert good.cleaned_data["holidays"] == "DE-BY"
    assert "write a country as DE" in bad.errors["holidays"][0]
