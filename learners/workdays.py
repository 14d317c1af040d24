"""When people do not work: leave as HR tells it, and the public holidays of the place their unit is in."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from learners import climbing

# The unit first, then those above it.
_UNITS = (
    climbing.CLIMB
    + """
    SELECT learner.id, learner.leave_from, learner.leave_until,
        coalesce(array_agg(climb.unit_id ORDER BY climb.step) FILTER (WHERE climb.unit_id IS NOT NULL), '{}'),
        (array_agg(unit.holidays ORDER BY climb.step) FILTER (WHERE unit.holidays <> ''))[1]
    FROM learners_learner learner
    LEFT JOIN climb ON climb.learner_id = learner.id
    LEFT JOIN learners_orgunit unit ON unit.id = climb.unit_id
    WHERE learner.id = ANY (%(learners)s)
    GROUP BY learner.id
"""
)


class Workplace(NamedTuple):
    """Where somebody works, as far as days off go."""

    units: tuple[int, ...] = ()  # their unit, then those above it
    holidays: str = ""  # a calendar such as DE-BY; empty: none
    leave: tuple[date, date] | None = None  # the first and the last day


class UnknownCalendar(ValueError):
    """There is no such calendar of public holidays; the message says how one is written."""


def workplaces(learner_ids: Iterable[UUID]) -> dict[UUID, Workplace]:
    """Where each of these learners works, in one query."""
    wanted = list(dict.fromkeys(learner_ids))
    with connection.cursor() as cursor:
        cursor.execute(_UNITS, {"learners": wanted})
        rows = cursor.fetchall()
    usual = settings.ORGANISATION_HOLIDAYS
    return {
        pk: Workplace(
            units=tuple(units),
            holidays=holidays or usual,
            leave=(begins, ends) if begins and ends else None,
        )
        for pk, begins, ends, units, holidays in rows
    }


def public_holidays(calendar: str, *, first: date, last: date) -> dict[date, str]:
    """The public holidays of a calendar from one day to another, both included: day → name."""
    found: dict[date, str] = {}
    if calendar:
        for year in range(first.year, last.year + 1):
            found |= _of_year(calendar, year)
    return {day: name for day, name in sorted(found.items()) if first <= day <= last}


def check_calendar(calendar: str) -> None:
    """Raises UnknownCalendar unless this is empty, a country (DE) or a part of one (DE-BY) whose holidays are known."""
    import holidays

    country, _, part = calendar.partition("-")
    known = holidays.list_supported_countries(include_aliases=False)
    if calendar and (country not in known or (part and part not in known[country])):
        raise UnknownCalendar(
            f"There is no calendar of holidays {calendar!r}; write a country as DE, or a part of one as DE-BY."
        )


@lru_cache(maxsize=512)
def _of_year(calendar: str, year: int) -> dict[date, str]:
    import holidays

    country, _, part = calendar.partition("-")
    try:
        return dict(holidays.country_holidays(country, subdiv=part or None, years=year, language="en_US"))
    except NotImplementedError:
        return {}  # a calendar that a newer release no longer has must not hold up anybody's message
