"""A person's own zone, else their unit's, else the organisation's."""

from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from learners.zones import zone_of, zones_of
from tests.support.learners import make_learner, make_unit

pytestmark = pytest.mark.django_db


def test_it_climbs_from_the_person_to_the_organisation(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.ORGANISATION_TIME_ZONE = "Asia/Tokyo"
    top = make_unit(time_zone="America/New_York")
    near = make_unit(parent=make_unit(parent=top), time_zone="Europe/Berlin")
    own = make_learner(unit=near, time_zone="Australia/Sydney")
    of_unit = make_learner(unit=make_unit(parent=near))
    of_top = make_learner(unit=make_unit(parent=top))
    of_nobody = make_learner(unit=make_unit())
    alone = make_learner()
    expected = {
        own: "Australia/Sydney",
        of_unit: "Europe/Berlin",
        of_top: "America/New_York",
        of_nobody: "Asia/Tokyo",
        alone: "Asia/Tokyo",
    }

    with django_assert_num_queries(1):
        zones = zones_of(learner.pk for learner in expected)

    assert zones == {learner.pk: ZoneInfo(name) for learner, name in expected.items()}
    assert {learner: zone_of(learner).key for learner in expected} == expected


def test_it_ignores_a_zone_this_machine_does_not_know(settings: Settings) -> None:
    settings.ORGANISATION_TIME_ZONE = "Europe/London"
    learner = make_learner(time_zone="Mars/Base")

    assert zone_of(learner) == ZoneInfo("Europe/London")


def test_it_answers_for_somebody_it_does_not_know(settings: Settings) -> None:
    settings.ORGANISATION_TIME_ZONE = "Europe/London"
    unknown = make_learner()
    pk = unknown.pk
    unknown.delete()

    assert zones_of([pk]) == {pk: ZoneInfo("Europe/London")}
    assert zones_of([]) == {}
