"""Months that only the cold store holds: what is asked of them comes out as before."""

import json
from datetime import date
from typing import Any

import pytest
from django.test import Client

from learners.models import Course, Enrolment, PlanStep
from signals import partitions
from signals.archive import cooling, files, raw
from signals.archive.write import archive
from signals.features.refresh import refresh, refresh_enrolments
from signals.models import ArchiveFile, DailyRollup, Event, FeatureRow, Statement
from signals.xapi import bodies
from tests.support.knowledge import day, enrolled
from tests.support.signals import NOW, account, headers_of, make_credential, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cold_store")]
JANUARY = date(2026, 1, 1)
DONE = "https://lms.example.com/unit/1"


@pytest.fixture
def cold() -> Enrolment:
    """A person with events on two January days and one completion; January is cold."""
    enrolment = enrolled()
    PlanStep.objects.create(course=Course.objects.get(), activity_iri=DONE, name="Unit", due_day=10)
    credential = make_credential(name="before").credential
    send(
        *[
            statement("experienced", f"https://lms.example.com/page/{n}", at=day(1 + n / 100))
            for n in range(3)
        ],
        statement("experienced", at=day(5), id="00000000-0000-4000-8000-000000000001"),
        statement("completed", DONE, at=day(5.1)),
        credential=credential,
        now=day(8),
    )
    refresh(now=day(9))
    archive(now=day(60))
    cooling.cool(JANUARY, now=day(60))
    return enrolment


def rollups() -> list[Any]:
    return list(DailyRollup.objects.order_by("day").values())


def test_cooling_leaves_only_completions(cold: Enrolment) -> None:
    assert [event.verb for event in Event.objects.all()] == [1]
    assert ArchiveFile.objects.get(kind="event").cooled_at == day(60)


def test_it_finds_nothing_to_archive_after_cooling(cold: Enrolment) -> None:
    assert archive(now=day(61)).files == []
    assert cooling.cool(JANUARY, now=day(62)) == 0


def test_it_does_not_cool_what_has_changed(cold: Enrolment) -> None:
    send(statement(at=day(7)), credential=make_credential().credential, now=day(61))

    with pytest.raises(cooling.StillChanging):
        cooling.cool(JANUARY, now=day(62))


def test_it_does_not_cool_when_the_file_is_damaged(cold: Enrolment, cold_store: Any) -> None:
    (cold_store / ArchiveFile.objects.get(kind="event").name).write_bytes(b"PAR1")

    with pytest.raises(files.ArchiveUnreadable):
        cooling.cool(JANUARY, now=day(62))


def test_features_come_out_as_before(cold: Enrolment) -> None:
    before = FeatureRow.objects.get().values

    refresh_enrolments([cold.pk], now=day(9))

    assert FeatureRow.objects.get().values == before


def test_a_late_event_joins_its_day(cold: Enrolment) -> None:
    before = rollups()
    send(statement(at=day(5.5)), credential=make_credential().credential, now=day(61))

    refresh(now=day(62))

    after = rollups()
    assert [row["events"] for row in before] == [3, 2]
    assert [row["events"] for row in after] == [3, 3]
    assert after[0] == before[0]
    assert Event.objects.count() == 2  # the completion and the late one: the others went back


def test_a_late_event_is_merged_when_the_month_is_archived_again(cold: Enrolment) -> None:
    send(statement(at=day(5.5)), credential=make_credential().credential, now=day(61))

    done = archive(now=day(62))

    assert [(file.month, file.rows) for file in done.files] == [(JANUARY, 6)]
    assert done.files[0].cooled_at == day(60)
    assert cooling.cool(JANUARY, now=day(63)) == 1


def test_voiding_reaches_a_cold_event(cold: Enrolment) -> None:
    voiding = statement(
        "voided", object={"objectType": "StatementRef", "id": "00000000-0000-4000-8000-000000000001"}
    )
    send(voiding, credential=make_credential().credential, now=day(61))

    refresh(now=day(62))

    assert [row["events"] for row in rollups()] == [3, 1]
    archive(now=day(63))
    with files.opened(ArchiveFile.objects.get(kind="event")) as parquet:
        voided = [row["voided_seq"] for row in parquet.read().to_pylist()]
    assert len(voided) == 5 and sum(value is not None for value in voided) == 1


def test_it_brings_back_what_is_asked_for_and_nothing_else(cold: Enrolment) -> None:
    with cooling.thawed([(cold.pk, day(1).date())]):
        assert Event.objects.count() == 4
    assert Event.objects.count() == 1


def test_a_released_body_reads_as_it_was_sent(cold: Enrolment) -> None:
    sent = {row.pk: bodies.unseal(bytes(row.body)) for row in Statement.objects.all()}

    assert (raw.release(JANUARY, now=day(60)), raw.release(JANUARY, now=day(60))) == (5, 0)

    assert raw.held(JANUARY) == 0
    assert all(len(row.body) == 25 for row in Statement.objects.all())
    assert {row.pk: bodies.unseal(bytes(row.body)) for row in Statement.objects.all()} == sent


def test_the_record_store_answers_from_the_cold_store(cold: Enrolment, client: Client) -> None:
    raw.release(JANUARY, now=day(60))
    reader = make_credential("read", name="reader")

    answer = client.get(
        "/xapi/statements", {"agent": json.dumps(account("person-0001"))}, headers=headers_of(reader)
    )

    assert len(answer.json()["statements"]) == 5


def test_the_same_statement_again_is_known_though_its_body_is_cold(cold: Enrolment) -> None:
    raw.release(JANUARY, now=day(60))
    again = statement("experienced", at=day(5), id="00000000-0000-4000-8000-000000000001")

    done = send(again, credential=make_credential().credential, now=NOW)

    assert len(done.duplicates) == 1


def test_it_says_which_month_is_missing(cold: Enrolment) -> None:
    raw.release(JANUARY, now=day(60))
    ArchiveFile.objects.filter(kind="statement").delete()

    with pytest.raises(files.ArchiveUnreadable, match="2026-01"):
        bodies.unseal(bytes(Statement.objects.all()[0].body))


def test_archiving_again_keeps_bodies_that_are_cold(cold: Enrolment) -> None:
    raw.release(JANUARY, now=day(60))
    ArchiveFile.objects.filter(kind="statement").update(source_hash="another")

    done = archive(now=day(61))

    assert [(file.kind, file.rows) for file in done.files] == [("statement", 5)]
    assert len({bodies.unseal(bytes(row.body)).raw for row in Statement.objects.all()}) == 5


def test_it_empties_the_newest_partitions_and_drops_the_others() -> None:
    partitions.ensure([date(2030, number, 1) for number in range(1, 8)])
    oldest, newest = min(partitions.existing()), date(2030, 7, 1)

    assert partitions.drop(newest) > 0 and partitions.drop(oldest) > 0

    assert newest in partitions.existing() and oldest not in partitions.existing()
    assert partitions.ensure([oldest]) == 1
