"""What goes with time: whole months of records, old months to the cold store, what was computed of the long gone."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from consent import retention
from consent.models import AuditEntry, ConsentScope
from learners.models import Enrolment
from signals import expiry, partitions
from signals.archive.write import archive
from signals.features.refresh import refresh
from signals.models import (
    ArchiveFile,
    AssessmentResult,
    DailyRollup,
    Event,
    FeatureRow,
    Label,
    Mastery,
    Quarantined,
    Risk,
    RiskChange,
    Statement,
)
from signals.rebuild import Mode, rebuild
from tests.support.knowledge import day, enrolled
from tests.support.learners import make_competency
from tests.support.signals import account, make_credential, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cold_store")]
JANUARY, MARCH = date(2026, 1, 1), date(2026, 3, 1)
# Records are kept for 30 days here: on 15 April January and February are past, March is not.
APRIL = datetime(2026, 4, 15, tzinfo=UTC)


@pytest.fixture
def history() -> Enrolment:
    """Two people in January, one of them scored; one in March. Stored when it happened."""
    enrolment = enrolled()
    enrolled("person-0002")
    credential = make_credential("all", name="before").credential
    for at, sent in (
        (day(2), statement(at=day(2))),
        (day(3), statement("scored", at=day(3), scaled=0.2, actor=account("person-0002"))),
        (day(4), statement("voided", object={"objectType": "StatementRef", "id": str(enrolment_id(9))})),
        (day(60), statement(at=day(60))),
    ):
        send(sent, credential=credential, now=at)
    refresh(now=day(61))
    ConsentScope.objects.filter(pk="record").update(retention_days=30)
    return enrolment


def enrolment_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def steps(now: datetime) -> dict[str, retention.Step]:
    return {found.store: found.step for found in retention.find(now=now)}


def test_it_says_what_would_go_and_touches_nothing(history: Enrolment) -> None:
    found = steps(APRIL)

    january = found["signals.events 2026-01"]
    assert (january.rows, january.partitions, january.people) == (2, 1, 2)
    assert january.bytes > 0
    statements = found["signals.statements 2026-01"]
    assert (statements.rows, statements.people) == (3, 2)
    assert (found["signals.results"].rows, found["signals.rollups"].rows) == (1, 2)
    assert "signals.events 2026-03" not in found
    assert (Event.objects.count(), Statement.objects.count()) == (3, 4)


def test_whole_months_go_and_later_ones_stay(history: Enrolment) -> None:
    retention.apply(now=APRIL)

    assert [event.occurred_at for event in Event.objects.all()] == [day(60)]
    assert [row.stored for row in Statement.objects.all()] == [day(60)]
    assert not AssessmentResult.objects.exists()
    assert [row.day for row in DailyRollup.objects.all()] == [day(60).date()]
    assert steps(APRIL) == {}


def test_a_partition_is_dropped_and_comes_back_when_needed(history: Enrolment) -> None:
    partitions.ensure([date(2030, number, 1) for number in range(1, 7)])

    retention.apply(now=APRIL)

    assert JANUARY not in partitions.existing() and MARCH in partitions.existing()
    send(statement(at=day(5)), credential=make_credential().credential, now=APRIL)
    assert Event.objects.filter(occurred_at=day(5)).exists()


def test_a_step_is_audited_with_what_it_took(history: Enrolment) -> None:
    retention.apply(now=APRIL)

    entry = AuditEntry.objects.get(detail__store="signals.events 2026-01")
    assert entry.action == "retention.expired"
    assert (entry.detail["rows"], entry.detail["partitions"], entry.detail["people"]) == (2, 1, 2)
    # Months that other tests made, with nothing in them, may have gone too.
    given_up = expiry.given_up_months()
    assert JANUARY in given_up
    assert max(given_up) < MARCH


def test_the_cold_store_gives_its_months_up_too(
    history: Enrolment,
    cold_store: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    archive(now=APRIL)
    gone = list(ArchiveFile.objects.filter(month=JANUARY).values_list("name", flat=True))
    assert len(gone) == 2

    with django_capture_on_commit_callbacks(execute=True):
        retention.apply(now=APRIL)

    assert not ArchiveFile.objects.filter(month=JANUARY).exists()
    assert not any((cold_store / name).exists() for name in gone)
    assert all((cold_store / file.name).exists() for file in ArchiveFile.objects.all())


def test_features_follow_what_is_left(history: Enrolment) -> None:
    retention.apply(now=APRIL)
    refresh(now=APRIL)

    assert FeatureRow.objects.get(pk=history.pk).values["last_active_at"] == day(60).isoformat()
    assert FeatureRow.objects.exclude(pk=history.pk).get().values["results"] == 0
    assert rebuild(now=APRIL + timedelta(hours=1), mode=Mode.VERIFY).changed == 0


def test_archived_months_move_to_the_cold_store(history: Enrolment, settings: Any) -> None:
    ConsentScope.objects.filter(pk="record").update(retention_days=1095)
    settings.HOT_MONTHS = 2
    assert steps(APRIL) == {}  # nothing is archived, so nothing moves
    archive(now=APRIL)

    found = steps(APRIL)
    assert {(store, step.rows, step.stays) for store, step in found.items()} == {
        ("signals.events 2026-01", 2, "the cold store"),
        ("signals.statements 2026-01", 3, "the cold store"),
    }
    retention.apply(now=APRIL)

    assert [event.occurred_at for event in Event.objects.all()] == [day(60)]
    assert Statement.objects.count() == 4
    assert AuditEntry.objects.filter(action="retention.moved").count() == 2
    assert steps(APRIL) == {}
    assert rebuild(now=APRIL, mode=Mode.VERIFY).changed == 0


def test_what_came_late_follows_its_month(history: Enrolment, settings: Any) -> None:
    ConsentScope.objects.filter(pk="record").update(retention_days=1095)
    settings.HOT_MONTHS = 2
    archive(now=APRIL)
    retention.apply(now=APRIL)
    send(statement(at=day(5)), credential=make_credential().credential, now=APRIL)
    refresh(now=APRIL)
    assert steps(APRIL) == {}  # not before it is archived, too

    archive(now=APRIL)
    assert [(store, step.rows) for store, step in steps(APRIL).items()] == [("signals.events 2026-01", 1)]
    retention.apply(now=APRIL)

    assert not Event.objects.filter(occurred_at__lt=day(27)).exists()


def test_nothing_moves_where_all_is_to_stay(history: Enrolment, settings: Any) -> None:
    ConsentScope.objects.filter(pk="record").update(retention_days=1095)
    settings.HOT_MONTHS = 0
    archive(now=APRIL)

    assert steps(APRIL) == {}


def test_a_cold_month_goes_whole_when_its_period_is_over(history: Enrolment, settings: Any) -> None:
    settings.HOT_MONTHS = 2
    archive(now=APRIL)

    retention.apply(now=APRIL)  # moves it, then finds that its period is over, too

    assert not ArchiveFile.objects.filter(month=JANUARY).exists()
    assert [event.occurred_at for event in Event.objects.all()] == [day(60)]
    assert steps(APRIL) == {}


def test_what_was_computed_goes_only_for_those_whose_enrolment_is_over(history: Enrolment) -> None:
    ConsentScope.objects.filter(pk="record").update(retention_days=1095)
    ConsentScope.objects.filter(pk="profile").update(retention_days=10)
    ended = Enrolment.objects.exclude(pk=history.pk).get()
    Enrolment.objects.filter(pk=ended.pk).update(state="completed", ended_at=day(62))
    refresh(now=day(63))
    Label.objects.create(
        enrolment=ended,
        definition="pass_30d@1",
        horizon_days=30,
        as_of=day(5),
        treated=False,
        recorded_at=day(40),
    )
    assert RiskChange.objects.filter(enrolment=ended).exists()

    retention.apply(now=APRIL)

    assert set(FeatureRow.objects.values_list("pk", flat=True)) == {history.pk}
    assert set(Risk.objects.values_list("pk", flat=True)) <= {history.pk}
    assert not RiskChange.objects.exists() and not Label.objects.exists()
    assert rebuild(now=APRIL, mode=Mode.VERIFY).changed == 0


def test_quarantine_is_emptied_after_the_period(history: Enrolment) -> None:
    made = make_credential("all", "bulk", name="bulk").credential
    send(b"{", credential=made, now=day(3), bulk=True)
    send(b"{}", credential=made, now=APRIL, bulk=True)

    retention.apply(now=APRIL)

    assert [row.received_at for row in Quarantined.objects.all()] == [APRIL]


def test_the_command_lists_rows_bytes_partitions_and_people(history: Enrolment) -> None:
    ConsentScope.objects.filter(pk="record").update(retention_days=1)
    out = StringIO()

    call_command("retention", dry_run=True, stdout=out)

    line = next(line for line in out.getvalue().splitlines() if "signals.events 2026-01" in line)
    assert line.startswith("record") and "2 rows" in line and "1 whole" in line and "2 people" in line
    assert Event.objects.count() == 3


def test_a_month_whose_file_is_lost_goes_all_the_same(history: Enrolment, cold_store: Path) -> None:
    archive(now=APRIL)
    (cold_store / ArchiveFile.objects.get(kind="event", month=JANUARY).name).unlink()

    assert steps(APRIL)["signals.events 2026-01"].rows == 2
    retention.apply(now=APRIL, moving=False)

    assert not ArchiveFile.objects.filter(month=JANUARY).exists()
    assert not Event.objects.filter(occurred_at__lt=day(31)).exists()


def test_it_gives_up_mastery_of_people_who_are_enrolled_nowhere_and_answered_long_ago() -> None:
    still, over = enrolled(), enrolled("person-0002")
    Enrolment.objects.filter(pk=over.pk).update(state="completed", ended_at=day(40))
    ConsentScope.objects.filter(pk="profile").update(retention_days=10)
    for enrolment, at in ((still, day(1)), (over, day(1)), (over, day(90))):
        Mastery.objects.create(
            learner=enrolment.learner,
            competency=make_competency(),
            value=0.5,
            low=0.2,
            high=0.8,
            answers=3,
            last_answer_at=at,
            as_of=at,
        )

    retention.apply(now=day(95))

    assert sorted(Mastery.objects.values_list("learner", "last_answer_at")) == sorted(
        [(still.learner_id, day(1)), (over.learner_id, day(90))]
    )
