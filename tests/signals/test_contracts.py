"""Data contracts: a breach is opened once, told once, and closed when it is over."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction

from learners.models import Role
from signals.models import ContractBreach, DataContract, Feed, ImportRun
from signals.sources import FileRefused
from signals.sources.contracts import Came, breaches_of, check
from tests.support.learners import make_user
from tests.support.signals import make_credential, send, statement
from tests.support.sources import NOW, bring, known

pytestmark = pytest.mark.django_db

Kind = ContractBreach.Kind
LATER = NOW + timedelta(hours=1)


def contract(**more: Any) -> DataContract:
    values = {
        "name": "Certificates",
        "source": "certificates",
        "owner": "HR",
        "starts_at": NOW - timedelta(days=30),
    }
    return DataContract.objects.create(**{**values, **more})


def rows(count: int) -> str:
    return "person,credential,issued\n" + "".join(
        f"anna@example.com,No {n},2025-05-01\n" for n in range(count)
    )


def open_kinds() -> set[str]:
    return set(ContractBreach.objects.open().values_list("kind", flat=True))


def test_it_notices_that_nothing_came_for_too_long_and_that_it_came_again() -> None:
    known()
    contract(fresh_hours=24)
    bring("certificates", rows(1), now=NOW - timedelta(hours=30))

    check(now=NOW)
    late = open_kinds()
    bring("certificates", rows(1), now=NOW)
    check(now=LATER)

    assert late == {Kind.FRESHNESS}
    assert open_kinds() == set()
    assert ContractBreach.objects.get().closed_at == LATER


def test_it_says_in_a_sentence_what_is_not_as_agreed() -> None:
    known()
    contract(fresh_hours=24)
    bring("certificates", rows(1), now=NOW - timedelta(hours=30))

    check(now=NOW)

    assert ContractBreach.objects.get().sentence == (
        "Certificates: nothing new for more than 24 hours (the last came on 1 March at 03:00 UTC)."
    )


@pytest.mark.parametrize(
    ("count", "kinds"), [(1, {Kind.TOO_FEW}), (2, set()), (3, set()), (4, {Kind.TOO_MANY})]
)
def test_it_counts_rows_against_the_least_and_the_most(count: int, kinds: set[str]) -> None:
    known()
    contract(least_rows=2, most_rows=3)
    bring("certificates", rows(count), now=NOW - timedelta(days=1))

    check(now=NOW)

    assert open_kinds() == kinds


def test_it_misses_no_rows_before_the_first_period_is_over() -> None:
    contract(least_rows=2, period_days=7, starts_at=NOW - timedelta(days=6))

    check(now=NOW)
    early = open_kinds()
    check(now=NOW + timedelta(days=1))

    assert (early, open_kinds()) == (set(), {Kind.TOO_FEW})


def test_it_notices_a_file_without_an_agreed_column() -> None:
    contract(columns="issuer")
    with pytest.raises(FileRefused, match="lacks the column issuer"):
        bring("certificates", rows(1), now=NOW - timedelta(hours=1))

    check(now=NOW)

    assert ContractBreach.objects.get().sentence == "Certificates: the last file lacks issuer."


def test_it_says_why_a_file_could_not_be_read() -> None:
    contract()
    with pytest.raises(FileRefused):
        bring("certificates", "person,credential,issued\nJosé,A,2026-01-01\n".encode("cp1252"), now=NOW)

    check(now=NOW + timedelta(hours=1))

    assert (
        ContractBreach.objects.get().sentence
        == "Certificates: the last file was refused (The file is not UTF-8)."
    )


def test_it_notices_that_too_much_is_refused() -> None:
    known()
    contract(most_refused=0.25)
    bring("certificates", rows(2) + "anna@example.com,x,yesterday\n", now=NOW - timedelta(hours=1))

    check(now=NOW)

    assert open_kinds() == {Kind.SCHEMA}


def test_it_watches_a_credential_of_the_record_store_too() -> None:
    made = make_credential(name="lms")
    contract(name="LMS", source="", credential=made.credential, fresh_hours=24, least_rows=1)
    send(statement(), credential=made.credential, now=NOW - timedelta(hours=2))

    check(now=NOW)
    fresh = open_kinds()
    check(now=NOW + timedelta(days=2))

    assert (fresh, open_kinds()) == (set(), {Kind.FRESHNESS})


def test_it_watches_one_feed_apart_from_another() -> None:
    feeds = [Feed.objects.create(source="git_forge", name=name, created_at=NOW) for name in ("one", "two")]
    contract(name="Forge one", source="git_forge", feed=feeds[0], fresh_hours=1)
    ImportRun.objects.create(source="git_forge", feed=feeds[1], delivery="d", started_at=NOW, finished_at=NOW)

    check(now=LATER)

    assert open_kinds() == {Kind.FRESHNESS}


def test_it_does_not_take_a_pull_that_broke_off_for_fresh() -> None:
    contract(fresh_hours=24)
    ImportRun.objects.create(source="certificates", started_at=NOW)

    check(now=LATER)

    assert open_kinds() == {Kind.FRESHNESS}


def test_it_tells_the_admins_of_a_breach_once() -> None:
    make_user(Role.ADMIN, login="ada@example.com")
    make_user(Role.ADMIN, login="no-address")
    make_user(Role.COACH, login="carl@example.com")
    contract(fresh_hours=24)

    for hours in range(3):
        check(now=NOW + timedelta(hours=hours))

    (message,) = mail.outbox
    assert isinstance(message, EmailMessage)
    assert message.recipients() == ["ada@example.com"]
    assert "nothing new for more than 24 hours" in message.body


def test_it_tells_again_when_a_breach_comes_back() -> None:
    make_user(Role.ADMIN, login="ada@example.com")
    known()
    contract(fresh_hours=24)
    check(now=NOW)
    bring("certificates", rows(1), now=NOW)
    check(now=LATER)

    check(now=NOW + timedelta(days=2))

    assert len(mail.outbox) == 2


def test_it_tries_again_when_the_mail_server_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    make_user(Role.ADMIN, login="ada@example.com")
    contract(fresh_hours=24)
    with monkeypatch.context() as patch:

        def refuse(*_: Any, **__: Any) -> int:
            raise smtplib.SMTPServerDisconnected

        patch.setattr(EmailMessage, "send", refuse)
        check(now=NOW)

    check(now=LATER)

    assert len(mail.outbox) == 1


def test_it_forgets_a_contract_that_ended() -> None:
    made = contract(fresh_hours=24)
    check(now=NOW)
    DataContract.objects.filter(pk=made.pk).update(is_active=False)

    check(now=LATER)

    assert open_kinds() == set()


def test_it_comes_to_an_end() -> None:
    contract(fresh_hours=24)

    assert [check(now=NOW), check(now=NOW)] == [1, 0]


def test_it_needs_no_database_to_judge() -> None:
    agreed = DataContract(
        name="X", source="certificates", starts_at=NOW - timedelta(days=9), most_rows=1_000, fresh_hours=1
    )

    found = breaches_of(agreed, Came(None, 1_001, 0, []), now=NOW)

    assert found == {
        Kind.FRESHNESS: "X: nothing new for more than an hour (none ever came).",
        Kind.TOO_MANY: "X: 1,001 rows in 7 days, where at most 1,000 were agreed.",
    }


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"source": ""}, "a_contract_is_about_a_source_or_a_credential"),
        ({"least_rows": 3, "most_rows": 2}, "a_contracts_least_is_not_above_its_most"),
        ({"most_refused": 1.5}, "what_may_be_refused_is_a_share"),
        ({"period_days": 0}, "a_contracts_period_is_at_least_a_day"),
    ],
)
def test_the_database_keeps_contracts_possible(values: dict[str, Any], name: str) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        contract(**values)


def test_the_database_keeps_one_open_breach_of_a_kind() -> None:
    made = contract()
    values = {"contract": made, "kind": Kind.TOO_FEW, "sentence": "…", "opened_at": NOW}
    ContractBreach.objects.create(**values)

    with pytest.raises(IntegrityError, match="a_breach_is_open_once"), transaction.atomic():
        ContractBreach.objects.create(**values)
    with pytest.raises(IntegrityError, match="a_breach_ends_after_it_begins"), transaction.atomic():
        ContractBreach.objects.create(**{**values, "kind": Kind.SCHEMA}, closed_at=NOW - timedelta(days=1))
