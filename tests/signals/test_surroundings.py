"""Session, device and network: read from what sources say, kept with events, and costing nothing where they do not."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from signals import surroundings
from signals.models import Device, Event, Network
from signals.surroundings import NOTHING_SAID, WHOLE, Surroundings, read, session_key
from tests.support.signals import NOW, account, enrolled, make_credential, send, statement


def said(**extensions: Any) -> Surroundings:
    return read(
        {"extensions": {surroundings.OWN + key.replace("_", "-"): extensions[key] for key in extensions}}
    )


@pytest.mark.parametrize(
    "name",
    [
        "https://w3id.org/rekindle/xapi/session",
        "https://w3id.org/xapi/openedx/extensions/session-id",
        "https://w3id.org/xapi/video/extensions/session-id",
        "https://w3id.org/xapi/cmi5/context/extensions/sessionid",
    ],
)
def test_it_knows_a_session_by_each_name_it_goes_by(name: str) -> None:
    assert read({"extensions": {name: "s-1"}}).session == session_key("s-1")


def test_it_takes_a_registration_for_a_session_only_from_the_plugin_that_means_one() -> None:
    registration = "7E9B2C58-4D7E-4C6F-9C3E-3F0C8B1C2D4E"
    info = {surroundings.LEARNING_LOCKER_INFO: {surroundings.LOGSTORE_XAPI: "v5.0.0"}}

    assert read({"registration": registration, "extensions": info}).session == session_key(
        registration.lower()
    )
    assert read({"registration": registration, "extensions": {"x:y": 1}}) is NOTHING_SAID


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148", Device.PHONE),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/130.0 Mobile Safari/537.36", Device.PHONE),
        ("Mozilla/5.0 (Linux; Android 14; SM-X710) Chrome/130.0 Safari/537.36", Device.TABLET),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", Device.DESKTOP),
    ],
)
def test_it_tells_the_device_from_a_browsers_own_name(agent: str, device: Device) -> None:
    assert (
        read({"extensions": {"http://id.tincanapi.com/extension/browser-info": {"name": agent}}}).device
        == device
    )


def test_it_reads_device_network_and_background_in_our_own_words() -> None:
    found = said(device="phone", network="cellular", background_duration="PT2M")

    assert found == Surroundings(None, Device.PHONE, Network.CELLULAR, 120)


def test_it_takes_all_of_the_time_for_unseen_when_nobody_looked() -> None:
    assert said(foreground=False).background_s == WHOLE
    assert said(foreground=True) is NOTHING_SAID


@pytest.mark.parametrize("value", [3, ["phone"], "toaster", None])
def test_it_takes_a_faulty_word_for_none(value: Any) -> None:
    assert said(device=value, network=value, background_duration=value, session=value and 3) is NOTHING_SAID


@pytest.mark.django_db
def test_it_keeps_them_with_the_event() -> None:
    enrolled()
    context = {"extensions": {surroundings.SESSION: "s-1", surroundings.DEVICE: "tablet"}}

    send(
        statement("completed", at=NOW - timedelta(hours=1), course=None, context=context),
        credential=make_credential().credential,
    )

    event = Event.objects.get()
    assert (event.session, event.device, event.network) == (session_key("s-1"), Device.TABLET, None)


@pytest.mark.django_db
def test_it_costs_no_byte_where_nothing_is_said() -> None:
    enrolled()
    bare = statement(at=NOW - timedelta(hours=1))
    full = statement(at=NOW - timedelta(hours=2), actor=account("person-0001"))
    full["context"]["extensions"] = {surroundings.SESSION: "s-1", surroundings.DEVICE: "phone"}
    send(bare, full, credential=make_credential().credential)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_column_size(e.*), session IS NOT NULL FROM signals_event e ORDER BY occurred_at DESC"
        )
        (without, _), (with_all, _) = cursor.fetchall()

    # 24 bytes of head, of which the list of nulls fits what the table had before.
    assert with_all - without in range(8, 25)
    assert without <= 128
