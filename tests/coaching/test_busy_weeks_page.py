"""The page of business-critical weeks: who may say so, for which units, and what a bad file is answered with."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import travel

from consent.models import AuditEntry
from interventions.models import BusyPeriod
from learners.models import OrgUnit, Role
from tests.coaching.parts import HTMX, fragment, main_part
from tests.interventions.test_busy_calendar import CLOSE, calendar
from tests.support.coaching import NOW
from tests.support.learners import make_learner, make_manager, make_unit, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]
PAGE = "/team/busy-weeks/"
WEEK = {"do": "declare", "name": "Stocktaking", "first": "2026-03-09", "last": "2026-03-13"}


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW, tick=False):
        yield


@pytest.fixture
def unit() -> OrgUnit:
    return make_unit(name="Depot", manager=make_manager())


@pytest.fixture
def manager(client: Client, unit: OrgUnit) -> Client:
    assert unit.manager is not None
    client.force_login(unit.manager)
    return client


def test_it_lets_a_manager_declare_a_week_for_their_unit(manager: Client, unit: OrgUnit) -> None:
    answer = manager.post(PAGE, {**WEEK, "unit": unit.pk}, headers=HTMX)

    period = BusyPeriod.objects.get()
    assert (period.unit, period.source, period.first_date) == (unit, "manager", date(2026, 3, 9))
    assert fragment(answer.content.decode()) == main_part(manager.get(PAGE).content.decode())
    assert AuditEntry.objects.filter(action="busy_period.added").count() == 1


def test_it_works_without_scripts(manager: Client, unit: OrgUnit) -> None:
    assert manager.post(PAGE, {**WEEK, "unit": unit.pk}).headers["Location"] == PAGE


def test_it_lets_a_manager_speak_for_units_below_theirs_and_no_other(manager: Client, unit: OrgUnit) -> None:
    below, beside = make_unit(parent=unit), make_unit()

    assert manager.post(PAGE, {**WEEK, "unit": below.pk}).status_code == 302
    assert manager.post(PAGE, {**WEEK, "unit": beside.pk}).status_code == 422

    assert BusyPeriod.objects.get().unit == below


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last": "2026-03-01"}, "lies before the first"),
        ({"last": "2026-09-01"}, "longer than 8 weeks"),
        ({"first": "2026-02-01", "last": "2026-02-02"}, "from today on"),
        ({"name": ""}, "required"),
    ],
)
def test_it_says_what_is_wrong(manager: Client, unit: OrgUnit, change: dict[str, str], said: str) -> None:
    answer = manager.post(PAGE, {**WEEK, "unit": unit.pk, **change}, headers=HTMX)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not BusyPeriod.objects.exists()


def test_it_reads_a_calendar_and_a_second_time_changes_nothing(manager: Client, unit: OrgUnit) -> None:
    def upload(content: bytes) -> str:
        file = SimpleUploadedFile("close.ics", content)
        sent = {"do": "calendar", "unit": unit.pk, "file": file}
        return manager.post(PAGE, sent, headers=HTMX).content.decode()

    assert "1 added, 0 removed" in upload(calendar(CLOSE))
    assert "0 added, 0 removed, 1 as they were" in upload(calendar(CLOSE))
    assert "1 added, 1 removed" in upload(calendar(CLOSE.replace("20260323", "20260324")))

    assert BusyPeriod.objects.get().first_date == date(2026, 3, 24)


def test_it_reads_pasted_text_and_keeps_declared_weeks(manager: Client, unit: OrgUnit) -> None:
    manager.post(PAGE, {**WEEK, "unit": unit.pk})

    manager.post(PAGE, {"do": "calendar", "unit": unit.pk, "text": calendar(CLOSE).decode()})

    assert set(BusyPeriod.objects.values_list("source", flat=True)) == {"manager", "calendar"}


def test_it_answers_a_bad_file_in_words(manager: Client, unit: OrgUnit) -> None:
    file = SimpleUploadedFile("close.ics", b"hello")

    answer = manager.post(PAGE, {"do": "calendar", "unit": unit.pk, "file": file}, headers=HTMX)

    assert answer.status_code == 422
    assert "This is no calendar file" in answer.content.decode()


def test_it_takes_a_week_back(manager: Client, unit: OrgUnit) -> None:
    manager.post(PAGE, {**WEEK, "unit": unit.pk})

    manager.post(PAGE, {"do": "take_back", "period": BusyPeriod.objects.get().pk})

    assert not BusyPeriod.objects.exists()


def test_it_hides_other_units_weeks(manager: Client) -> None:
    other = make_unit(manager=make_manager())
    period = BusyPeriod.objects.create(
        unit=other,
        name="Secret audit",
        first_date=NOW.date(),
        last_date=NOW.date(),
        source="manager",
        declared_at=NOW,
    )

    assert "Secret audit" not in manager.get(PAGE).content.decode()
    assert manager.post(PAGE, {"do": "take_back", "period": period.pk}).status_code == 404


def test_it_is_closed_to_coaches_and_learners(client: Client) -> None:
    client.force_login(make_user(Role.COACH, Role.LEARNER))

    assert client.get(PAGE).status_code == 403


def test_it_lets_an_administrator_speak_for_every_unit(client: Client, unit: OrgUnit) -> None:
    client.force_login(make_user(Role.ADMIN))

    client.post(PAGE, {**WEEK, "unit": unit.pk})

    assert BusyPeriod.objects.get().source == "admin"


def test_it_refuses_other_methods(manager: Client) -> None:
    assert manager.put(PAGE).status_code == 405
    assert manager.post(PAGE, {"do": "nothing we know"}).status_code == 400


def test_it_tells_the_manager_s_page_that_nothing_is_sent(manager: Client, unit: OrgUnit) -> None:
    manager.post(PAGE, {**WEEK, "unit": unit.pk, "first": "2026-03-02"})

    assert "Stocktaking until 13 March: nothing is sent" in manager.get("/team/").content.decode()


def test_it_asks_the_database_equally_often_however_many_weeks(manager: Client, unit: OrgUnit) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            manager.get(PAGE)
        return len(captured)

    make_learner(unit=unit)
    manager.post(PAGE, {**WEEK, "unit": unit.pk, "first": "2026-03-01"})
    few = queries()
    for days in range(4):
        last = NOW.date() + timedelta(days=days)
        manager.post(PAGE, {**WEEK, "unit": make_unit(parent=unit).pk, "first": "2026-03-01", "last": last})

    assert queries() == few
