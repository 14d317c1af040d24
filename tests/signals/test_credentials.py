"""Credentials: how they are made, recognised, limited, bound and taken away."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from redis.exceptions import ConnectionError as RedisAway

from consent.models import AuditEntry
from learners.models import OrgUnit
from signals.models import Credential, Event, Quarantined, Refusal, Statement
from signals.normalize import resolve_parked
from signals.xapi import admission, credentials, rate
from tests.support.signals import (
    NOW,
    account,
    as_json,
    enrolled,
    headers_of,
    identify,
    make_credential,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
URL = "/xapi/statements"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()
    admission.forget()


def post(client: Client, sent: Any, made: credentials.NewCredential, **more: str) -> Any:
    return client.post(URL, as_json(sent), content_type="application/json", headers=headers_of(made, **more))


# --- making and taking away ---------------------------------------------------------------------------------------


def test_it_makes_no_secret_that_looks_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["-first", "-second", "third"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: next(drawn))

    assert make_credential().secret == "third"


def test_it_keeps_what_a_credential_is_bound_to_when_its_key_is_renewed() -> None:
    unit = OrgUnit.objects.create(code="north", name="North")
    credentials.create(name="lms", permissions=["write"], now=NOW, source="Moodle", unit=unit)

    made = credentials.create(name="lms", permissions=["read"], now=NOW)

    assert (made.credential.source, made.credential.unit) == ("Moodle", unit)


def test_it_lists_and_revokes_on_the_command_line(client: Client) -> None:
    made = make_credential()
    out = StringIO()

    call_command("lrs_client", "--revoke", made.key, stdout=out)
    call_command("lrs_client", "--list", "--json", stdout=out)

    revoked, listed = out.getvalue().splitlines()
    assert revoked == "lms is out of use."
    assert [(row["key"], row["active"]) for row in json.loads(listed)] == [(made.key, False)]
    assert made.secret not in listed
    assert post(client, statement(), made).status_code == 401
    assert AuditEntry.objects.filter(action="credential.revoked").count() == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([" "], "name takes 1 to 120"),
        (["x" * 121], "name takes 1 to 120"),
        (["lms", f"--source={'x' * 121}"], "source takes 1 to 120"),
        (["lms", "--per-minute=99999999999"], "from 1 to"),
        (["lms", "--per-minute=0"], "from 1 to"),
    ],
)
def test_it_says_what_is_wrong_with_a_credential_on_the_command_line(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("lrs_client", *arguments)

    assert not Credential.objects.filter(is_active=True).exists()


def test_it_binds_a_credential_on_the_command_line() -> None:
    unit = OrgUnit.objects.create(code="north", name="North")
    out = StringIO()

    call_command(
        "lrs_client",
        "lms",
        "--allow=write",
        "--allow=state",
        "--source=Moodle",
        "--unit=north",
        "--per-minute=90",
        '--authority={"mbox": "mailto:lms@example.com"}',
        "--json",
        stdout=out,
    )

    made = Credential.objects.get()
    assert set(json.loads(out.getvalue())) == {"key", "secret"}
    assert (made.permissions, made.source_name, made.unit) == (["state", "write"], "Moodle", unit)
    assert (made.requests_per_minute, made.authority) == (90, {"mbox": "mailto:lms@example.com"})


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lms", "--list"],
        ["--revoke", "nobodys"],
        ["lms", "--unit", "nowhere"],
        ["lms", "--per-minute", "0"],
        ["lms", "--authority", "{"],
        ["lms", "--authority", '{"name": "nobody"}'],
    ],
)
def test_it_says_what_the_command_cannot_do(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("lrs_client", *arguments)

    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("credential_permissions_are_known", {"permissions": ["rule"]}),
        ("an_authority_can_be_looked_up", {"authority": {"mbox": "mailto:a@example.com"}}),
        ("a_clock_is_shifted_by_something", {"clock": "shift", "clock_offset_s": 0}),
        ("a_rate_limit_lets_something_through", {"requests_per_minute": 0}),
    ],
)
def test_it_promises_sound_credentials(name: str, change: dict[str, Any]) -> None:
    made = make_credential().credential

    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Credential.objects.filter(pk=made.pk).update(**change)


# --- how often ----------------------------------------------------------------------------------------------------


def test_it_limits_how_often_a_credential_asks(client: Client) -> None:
    made = make_credential()
    Credential.objects.update(requests_per_minute=2)

    answers = [post(client, [], made) for _ in range(3)]

    assert [answer.status_code for answer in answers] in ([200, 200, 429], [200, 200, 200])
    # Twice over, as a minute may end in between.
    last = [post(client, [], made) for _ in range(3)][-1]
    assert last.status_code == 429
    assert 1 <= int(last["Retry-After"]) <= 60
    assert Refusal.objects.filter(kind="rate").exists()


def test_it_counts_a_minute_at_a_time() -> None:
    assert [rate.allows("somebody", 2, now=NOW) for _ in range(4)] == [True, True, False, False]
    assert rate.is_spent("somebody", now=NOW)
    assert rate.allows("somebody else", 2, now=NOW)
    assert rate.allows("somebody", 2, now=NOW + timedelta(minutes=1))


def test_it_draws_in_lots_and_never_lets_more_through(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    draw = rate._draw

    def counting(*values: Any) -> bool | None:
        draws.append(values)
        return draw(*values)

    monkeypatch.setattr(rate, "_draw", counting)

    let_in = sum(rate.allows("somebody", 5000, now=NOW) for _ in range(6000))

    assert let_in == 5000
    assert len(draws) == 501  # lots of ten, and the one that found nothing left


def test_it_takes_statements_while_redis_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def hit(self, *values: Any, **more: Any) -> bool:
            raise RedisAway

    asked: list[Away] = []

    def limiter() -> Away:
        asked.append(Away())
        return asked[-1]

    monkeypatch.setattr(rate, "_limiter", limiter)
    made = make_credential()
    Credential.objects.update(requests_per_minute=1)

    answers = [post(client, statement(), made).status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert len(asked) == 1  # and it is left alone for a while
    monkeypatch.undo()


def test_it_slows_down_whoever_guesses_and_lets_the_known_go_on(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LRS_FAILED_SIGN_INS_PER_MINUTE = 3
    monkeypatch.setattr(rate, "_window", lambda now: 7)  # this test is one minute long
    made = make_credential()
    assert post(client, statement(), made).status_code == 200
    wrong = made._replace(secret="guess")

    guesses = [post(client, statement(), wrong).status_code for _ in range(5)]

    assert guesses == [401, 401, 401, 429, 429]
    stranger = make_credential(name="another")
    assert post(client, statement(), stranger).status_code == 429
    assert post(client, statement(), made).status_code == 200
    elsewhere = client.post(
        URL,
        as_json(statement()),
        content_type="application/json",
        headers=headers_of(stranger),
        REMOTE_ADDR="192.0.2.7",
    )
    assert elsewhere.status_code == 200


def test_it_takes_a_request_without_credentials_for_a_question(client: Client, settings: Any) -> None:
    settings.LRS_FAILED_SIGN_INS_PER_MINUTE = 1

    answers = {client.get(URL, headers={"X-Experience-API-Version": "1.0.3"}).status_code for _ in range(4)}

    assert answers == {401}


@pytest.mark.parametrize(
    ("proxies", "seen", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
    ],
)
def test_it_believes_its_own_proxies_only(
    settings: Any, rf: Any, proxies: int, seen: str, address: str
) -> None:
    settings.PROXIES_IN_FRONT = proxies

    assert admission.address_of(rf.get("/", headers={"X-Forwarded-For": seen})) == address


def test_it_notes_the_last_use_once_a_minute(django_assert_num_queries: Any) -> None:
    credential = make_credential().credential

    admission.note_use(credential, now=NOW)
    with django_assert_num_queries(0):
        admission.note_use(credential, now=NOW + timedelta(seconds=5))
    admission.forget()  # as another process
    admission.note_use(credential, now=NOW + timedelta(seconds=30))

    credential.refresh_from_db()
    assert credential.last_used_at == NOW
    admission.forget()
    admission.note_use(credential, now=NOW + timedelta(seconds=90))
    credential.refresh_from_db()
    assert credential.last_used_at == NOW + timedelta(seconds=90)


# --- authority ----------------------------------------------------------------------------------------------------

VOUCHES = {"objectType": "Agent", "mbox": "mailto:lms@example.com"}


def test_it_hands_statements_out_under_the_credentials_authority(client: Client) -> None:
    made = credentials.create(name="lms", permissions=["all"], now=NOW, authority=VOUCHES)
    plain = make_credential(name="other")
    send(statement(), credential=made.credential)
    send(statement(), credential=plain.credential)

    def found(agent: dict[str, Any]) -> list[dict[str, Any]]:
        asked = {"agent": json.dumps(agent), "related_agents": "true"}
        answer = client.get(URL, asked, headers=headers_of(made))
        return [row["authority"] for row in answer.json()["statements"]]

    assert found({"mbox": "mailto:LMS@example.com"}) == [VOUCHES]
    own = credentials.authority(plain.credential.pk)
    assert own["account"]["name"] == str(plain.credential.pk)
    assert found(own) == [own]


def test_it_never_changes_an_authority() -> None:
    credentials.create(name="lms", permissions=["all"], now=NOW, authority=VOUCHES)

    with pytest.raises(credentials.AuthorityIsSet):
        credentials.create(
            name="lms", permissions=["all"], now=NOW, authority={"mbox": "mailto:other@example.com"}
        )

    again = credentials.create(name="lms", permissions=["all"], now=NOW, authority=VOUCHES)
    assert again.credential.authority == VOUCHES


# --- unit ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def units() -> tuple[OrgUnit, OrgUnit]:
    """A unit with one below it."""
    north = OrgUnit.objects.create(code="north", name="North")
    return north, OrgUnit.objects.create(code="depot", name="Depot", parent=north)


def bound(unit: OrgUnit, *permissions: str) -> credentials.NewCredential:
    return credentials.create(name="depot", permissions=permissions or ["all"], now=NOW, unit=unit)


def member(name: str, unit: OrgUnit | None) -> None:
    enrolment = enrolled(name)
    enrolment.learner.unit = unit
    enrolment.learner.save(update_fields=["unit"])


def test_it_quarantines_in_bulk_what_is_about_others_people(units: tuple[OrgUnit, OrgUnit]) -> None:
    member("person-0001", units[1])
    member("person-0002", None)
    credential = bound(units[0], "write", "bulk").credential

    taken = send(statement(), statement(actor=account("person-0002")), credential=credential, bulk=True)

    assert [result.outcome for result in taken.results] == ["stored", "quarantined"]
    assert Quarantined.objects.get().reason == "unit"
    assert Statement.objects.count() == 1


def test_it_stores_strictly_and_holds_the_event_back(units: tuple[OrgUnit, OrgUnit]) -> None:
    member("person-0002", None)

    send(statement(actor=account("person-0002")), credential=bound(units[0]).credential)

    assert Statement.objects.count() == 1
    assert not Event.objects.exists()
    assert Quarantined.objects.get().reason == "unit"


def test_it_asks_again_when_somebody_says_who_the_actor_is(units: tuple[OrgUnit, OrgUnit]) -> None:
    member("person-0002", None)
    credential = bound(units[0]).credential
    send(statement(actor=account("nobody-0001")), credential=credential)
    assert not Quarantined.objects.exists()
    from learners.models import Learner

    identify(Learner.objects.get(), account("nobody-0001"))

    resolve_parked(now=NOW)

    assert Quarantined.objects.get().reason == "unit"
    assert not Event.objects.exists()
    assert resolve_parked(now=NOW) == 0


def test_it_shows_a_bound_credential_its_units_people_and_its_own(
    client: Client, units: tuple[OrgUnit, OrgUnit]
) -> None:
    member("person-0001", units[1])
    member("person-0002", None)
    other = make_credential().credential
    inside, outside = statement(), statement(actor=account("person-0002"))
    send(inside, outside, credential=other)
    made = bound(units[0])
    own = statement(actor=account("unknown-0001"))
    send(own, credential=made.credential)

    seen = client.get(URL, headers=headers_of(made)).json()["statements"]
    hidden = client.get(URL, {"statementId": outside["id"]}, headers=headers_of(made))

    assert {row["id"] for row in seen} == {inside["id"], own["id"]}
    assert hidden.status_code == 404


def test_it_keeps_documents_about_its_units_people_only(
    client: Client, units: tuple[OrgUnit, OrgUnit]
) -> None:
    member("person-0001", units[1])
    member("person-0002", None)
    made = bound(units[0], "state")

    def put(name: str) -> int:
        address = "/xapi/activities/state?" + urlencode(
            {"activityId": "https://lms.example.com/1", "stateId": "s", "agent": json.dumps(account(name))}
        )
        answer = client.put(address, b"{}", content_type="application/json", headers=headers_of(made))
        return answer.status_code

    assert [put(name) for name in ("person-0001", "person-0002", "nobody-0001")] == [204, 403, 204]


def test_it_sees_only_its_own_with_read_mine(client: Client, units: tuple[OrgUnit, OrgUnit]) -> None:
    member("person-0001", units[1])
    send(statement(), credential=make_credential().credential)
    made = bound(units[0], "write", "read/mine")

    assert client.get(URL, headers=headers_of(made)).json()["statements"] == []


def test_it_knows_learners_without_a_unit_as_outsiders(units: tuple[OrgUnit, OrgUnit]) -> None:
    make_learner("person-0003")

    taken = send(statement(actor=account("person-0003")), credential=bound(units[0]).credential, bulk=True)

    assert taken.results[0].outcome == "quarantined"
