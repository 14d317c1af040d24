"""The administrators' page about the data, as seen and used."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import travel

from consent.models import AuditEntry
from learners.models import Role
from signals.models import ContractBreach, Credential, DataContract, Finding, UnknownVerb
from signals.quality import overview
from tests.support.learners import make_user
from tests.support.quality import DAY, MONDAY, counted_through, make_source, moment_of, put
from tests.support.signals import make_credential, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]
NOW = moment_of(MONDAY, 9)


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW, tick=False):
        yield


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(Role.ADMIN, time_zone="UTC"))
    return client


def make_finding(source: Credential, kind: str = "missing_score") -> Finding:
    return Finding.objects.create(
        source=source,
        kind=kind,
        opened_at=NOW - timedelta(hours=3),
        last_seen_at=NOW,
        measured=0.5,
        cases=200,
        says="50% of the results carry no <score>.",
        mend="Look at the quiz.",
    )


def page_of(client: Client) -> str:
    answer = client.get("/quality/")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("path", ["/admin/", "/admin/signals/quarantined/"])
def test_it_is_found_from_where_administrators_arrive(admin: Client, path: str) -> None:
    assert 'href="/quality/"' in admin.get(path).content.decode()


@pytest.mark.parametrize("role", [Role.LEARNER, Role.MANAGER, Role.COACH, Role.REVIEWER])
def test_it_is_for_administrators_only(client: Client, role: Role) -> None:
    client.force_login(make_user(role))
    finding = make_finding(make_credential().credential)

    assert client.get("/quality/").status_code == 403
    assert client.post(f"/quality/findings/{finding.pk}/normal/").status_code == 403
    assert Finding.objects.open().count() == 1


def test_it_refuses_other_methods(admin: Client) -> None:
    finding = make_finding(make_credential().credential)

    assert admin.post("/quality/").status_code == 405
    assert admin.get(f"/quality/findings/{finding.pk}/normal/").status_code == 405
    assert Finding.objects.open().count() == 1


def test_it_says_what_to_do_while_there_is_nothing_to_see(admin: Client) -> None:
    make_credential("read", name="reader")  # sends nothing, so it is no source

    page = page_of(admin)

    assert "No source may send anything yet." in page
    assert "/admin/signals/credential/" in page


def test_it_shows_each_source_in_words(admin: Client) -> None:
    fine = make_source("fine")
    put(fine, MONDAY, statements=120, last_at=NOW - timedelta(minutes=5))
    make_source("young", weeks=2)
    make_credential(name="silent")
    Credential.objects.filter(pk=make_source("gone").pk).update(is_active=False)
    make_finding(make_source("broken"))

    page = page_of(admin)

    assert "1 of 5 sources needs a look." in page
    order = [page.index(f">{name}</h3>") for name in ("broken", "silent", "young", "fine", "gone")]
    assert order == sorted(order)
    for words in (
        "As usual",
        "Too new to say what is usual (since 16 February)",
        "Nothing has come yet",
        "Not watched: its key is not in use",
    ):
        assert words in page
    assert "Last heard Mon 2 Mar, 08:55" in page
    assert "50% of the results carry no &lt;score&gt;." in page
    assert "Look at the quiz." in page


def test_it_tells_the_volume_to_those_who_do_not_see_the_drawing() -> None:
    source = make_source("lms", lambda day: 10)
    put(source, MONDAY, statements=4)

    [line] = overview.overview(now=NOW).sources

    assert line.trend == (
        "Statements per week, oldest first: 70, 70, 70, 70, 70, 70, 70; this week so far 4."
    )
    assert line.weeks[-1] == overview.Week(MONDAY, 4)


def test_it_counts_what_waits_for_somebody(admin: Client) -> None:
    credential = make_credential("write", "bulk").credential
    send(statement(), {"verb": {}}, credential=credential, now=NOW, bulk=True)
    UnknownVerb.objects.create(iri="urn:x", seen=1, first_seen_at=NOW, last_seen_at=NOW)

    seen = overview.overview(now=NOW)

    assert (seen.quarantined, seen.parked, seen.unknown_verbs) == (1, 1, 1)


def test_it_closes_what_is_called_normal_and_writes_down_by_whom(admin: Client) -> None:
    finding = make_finding(make_source())

    answer = admin.post(f"/quality/findings/{finding.pk}/normal/", follow=True)
    again = admin.post(f"/quality/findings/{finding.pk}/normal/", follow=True)

    page = answer.content.decode()
    assert "lms: noted as normal from now on." in page
    assert "As usual" in page
    assert "Somebody said that this is normal now." in page
    assert "That was over already." in again.content.decode()
    assert AuditEntry.objects.filter(action="quality.accepted").count() == 1


def test_it_answers_404_for_a_finding_that_never_was(admin: Client) -> None:
    assert admin.post("/quality/findings/4711/normal/").status_code == 404


def test_it_leads_to_where_the_mend_is_done(admin: Client) -> None:
    source = make_source()
    make_finding(source, "quarantine")

    page = page_of(admin)

    there = f"/admin/signals/quarantined/?state__exact=waiting&amp;credential__id__exact={source.pk}"
    assert there in page
    assert admin.get(there.replace("&amp;", "&")).status_code == 200


def test_it_takes_the_same_number_of_queries_for_many_sources(admin: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            page_of(admin)
        return len(caught)

    counted_through(NOW)
    make_finding(make_source("first"))
    queries()
    one = queries()
    for number in range(6):
        make_finding(make_source(f"more-{number}"))

    assert queries() == one


def test_it_shows_days_off_and_findings_in_the_admin(admin: Client) -> None:
    make_finding(make_source())

    assert (
        admin.post("/admin/signals/dayoff/add/", {"day": "2026-04-06", "name": "Easter"}).status_code == 302
    )
    assert "Scores are missing" in admin.get("/admin/signals/finding/").content.decode()
    assert admin.get("/admin/signals/finding/add/").status_code == 403


def test_it_lists_data_contracts_that_are_not_kept(admin: Client) -> None:
    contract = DataContract.objects.create(
        name="Roster", credential=make_source(), owner="hr@example.test", starts_at=NOW - DAY
    )
    ContractBreach.objects.create(
        contract=contract, kind="freshness", sentence="The roster is nine days old.", opened_at=NOW - DAY
    )

    page = page_of(admin)

    assert "The roster is nine days old." in page
    assert admin.get(f"/admin/signals/datacontract/{contract.pk}/change/").status_code == 200
    assert f"/admin/signals/datacontract/{contract.pk}/change/" in page
