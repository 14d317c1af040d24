"""Rooms of coaches: once a working morning, a number and a link, and nothing about anybody."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.test import Client

from coaching import rooms
from coaching.models import Case
from interventions.models import CoachRoom
from tests.support.coaching import NOW, make_approval_case, make_circle
from tests.support.interventions import make_admin
from tests.support.listening import Listener, http_server

pytestmark = pytest.mark.django_db
MORNING = datetime(2026, 3, 2, 8, 45, tzinfo=UTC)  # a Monday


@pytest.fixture
def room_server(settings: Any) -> Iterator[Listener]:
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.PUBLIC_URL = "https://rekindle.example"
    settings.ORGANISATION_TIME_ZONE = "Europe/London"
    settings.ORGANISATION_HOLIDAYS = ""
    with http_server() as server:
        yield server


def make_room(server: Listener, **fields: Any) -> CoachRoom:
    made: dict[str, Any] = {"name": "Coaches", "kind": "slack", "is_active": True, "created_at": NOW}
    return CoachRoom.objects.create(**{**made, "address": server.url, **fields})


def waiting(number: int) -> None:
    for _ in range(number):
        make_approval_case(make_circle(name="Robin Fielding"))


def test_it_says_how_many_wait_and_of_nobody(room_server: Listener) -> None:
    make_room(room_server)
    waiting(3)

    rooms.tell(now=MORNING)

    (asked,) = room_server.asked
    said = json.loads(asked.body)
    assert said["text"] == ("3 things wait in the inbox. <https://rekindle.example/inbox/|Open the inbox>")
    assert set(said) == {"text", "unfurl_links"}


def test_it_gives_no_number_that_speaks_of_one_person(room_server: Listener) -> None:
    make_room(room_server, kind="teams")
    waiting(1)

    rooms.tell(now=MORNING)

    card = json.loads(room_server.asked[0].body)["attachments"][0]["content"]
    assert card["body"][0]["text"] == "Something waits in the inbox."
    assert "Robin" not in room_server.asked[0].body.decode()


def test_it_says_it_once_a_morning(room_server: Listener) -> None:
    make_room(room_server)
    waiting(3)

    told = [rooms.tell(now=MORNING + timedelta(minutes=5 * step)) for step in range(20)]
    rooms.tell(now=MORNING + timedelta(days=1))

    assert told == [1] + [0] * 19
    assert len(room_server.asked) == 2


@pytest.mark.parametrize(
    ("now", "holidays"),
    [
        (MORNING - timedelta(hours=1), ""),
        (MORNING + timedelta(hours=4), ""),
        (MORNING + timedelta(days=5), ""),
        (datetime(2026, 12, 25, 9, 0, tzinfo=UTC), "GB"),
    ],
    ids=["before its hour", "the morning is over", "Saturday", "a holiday"],
)
def test_it_is_silent_at_other_times(
    room_server: Listener, settings: Any, now: datetime, holidays: str
) -> None:
    settings.ORGANISATION_HOLIDAYS = holidays
    make_room(room_server)
    waiting(3)

    assert rooms.tell(now=now) == 0
    assert not room_server.asked


def test_it_goes_by_the_organisations_clock(room_server: Listener, settings: Any) -> None:
    settings.ORGANISATION_TIME_ZONE = "America/New_York"
    make_room(room_server)
    waiting(3)

    assert rooms.tell(now=MORNING) == 0
    assert rooms.tell(now=MORNING + timedelta(hours=5)) == 1


def test_it_is_silent_where_nothing_waits(room_server: Listener) -> None:
    make_room(room_server)
    waiting(1)
    Case.objects.update(state="closed", closed_at=NOW)

    rooms.tell(now=MORNING)

    assert not room_server.asked


def test_it_is_off_until_somebody_wants_it(room_server: Listener) -> None:
    room = CoachRoom.objects.create(name="Coaches", kind="slack", address=room_server.url, created_at=NOW)
    waiting(3)

    assert not room.is_active
    assert rooms.tell(now=MORNING) == 0


def test_it_keeps_what_went_wrong_and_does_not_repeat_it_that_morning(room_server: Listener) -> None:
    room = make_room(room_server)
    room_server.answers = [(404, {}, b"no_service")]
    waiting(3)

    rooms.tell(now=MORNING)
    rooms.tell(now=MORNING + timedelta(minutes=5))

    room.refresh_from_db()
    assert room.last_error == "Slack (an incoming webhook) answered 404"
    assert len(room_server.asked) == 1


class TestAdmin:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client) -> None:
        client.force_login(make_admin())
        self.client = client

    def add(self, **given: str) -> str:
        sent = {"name": "Coaches", "kind": "slack", "at": "08:30", **given}
        return self.client.post("/admin/interventions/coachroom/add/", sent).content.decode()

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({}, "an address is needed"),
            ({"address": "https://10.0.0.1/"}, "private network"),
            ({"at": "15:00"}, "between 6:00 and 11:00"),
        ],
    )
    def test_it_says_what_to_mend(self, given: dict[str, str], fault: str) -> None:
        assert fault in self.add(**given)
        assert not CoachRoom.objects.exists()

    def test_it_keeps_the_address_secret_and_sends_a_test(self, room_server: Listener) -> None:
        self.add(address=f"{room_server.url}/s3cret")
        room = CoachRoom.objects.get()

        page = self.client.get(f"/admin/interventions/coachroom/{room.pk}/change/").content.decode()
        self.client.post(
            "/admin/interventions/coachroom/",
            {"action": "send_test", "_selected_action": [str(room.pk)]},
        )

        assert "s3cret" not in page
        assert room.at == time(8, 30)
        assert [asked.path for asked in room_server.asked] == ["/s3cret"]
