"""What a rebuild proves: equality by hash, the difference a verb map makes, and that looking changes nothing."""

from datetime import UTC, date, datetime
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from consent import retention
from consent.models import ConsentScope
from learners.models import Course, Enrolment, PlanStep
from signals.archive import cooling, raw
from signals.archive.write import archive
from signals.features.refresh import refresh
from signals.models import (
    AssessmentResult,
    Certificate,
    Credential,
    DailyRollup,
    EnrolmentMark,
    Event,
    FeatureRow,
    Risk,
    RiskChange,
    Statement,
    VerbSynonym,
)
from signals.rebuild import Mode, rebuild
from signals.rebuilt import LINES, Rebuilt
from signals.table_hashes import hashes_of, table_hashes
from tests.support.knowledge import day, enrolled, make_event
from tests.support.signals import account, make_credential, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cold_store")]
DONE = "https://lms.example.com/unit/1"
EARNED = "http://id.tincanapi.com/verb/earned"
PONDERED = "https://example.com/verbs/pondered"


@pytest.fixture
def history() -> Enrolment:
    """Somebody who read, was scored, finished a unit in their system's own words, and was refreshed."""
    enrolment = enrolled()
    PlanStep.objects.create(course=Course.objects.get(), activity_iri=DONE, name="Unit", due_day=3)
    send(
        *[statement("experienced", f"https://lms.example.com/page/{n}", at=day(n)) for n in range(4)],
        statement("scored", "https://lms.example.com/quiz/1", at=day(4), scaled=0.3),
        statement(PONDERED, DONE, at=day(2)),
        statement("completed", "https://lms.example.com/unit/2", at=day(2.5)),
        credential=make_credential(name="before").credential,
        now=day(6),
    )
    refresh(now=day(7))
    return enrolment


def lose_everything() -> None:
    for model in (Event, AssessmentResult, Certificate, DailyRollup, FeatureRow, Risk):
        model.objects.all().delete()


def test_everything_that_is_lost_comes_out_with_the_same_hash(history: Enrolment) -> None:
    badge = statement(EARNED, "https://lms.example.com/badge", at=day(5), course=None)
    send(badge, credential=Credential.objects.get(), now=day(6.5))
    refresh(now=day(7))
    before = table_hashes()
    lose_everything()
    assert table_hashes() != before

    done = rebuild(now=day(7))

    assert table_hashes() == before == done.after
    assert all(value.rows for value in before.values())


def test_the_hash_does_not_depend_on_the_order_of_rows(history: Enrolment) -> None:
    before = table_hashes(["events"])["events"]
    ids = list(Event.objects.values_list("statement_id", flat=True))
    parts = [hashes_of(["events"], [key])["events"] for key in ids]

    total = parts[0]
    for part in reversed(parts[1:]):
        total = total.plus(part)

    assert total == before
    Event.objects.filter(statement_id=ids[0]).update(amount=2)
    assert table_hashes(["events"])["events"] != before


def test_verifying_finds_nothing_where_all_is_right(history: Enrolment) -> None:
    done = rebuild(now=day(20), mode=Mode.VERIFY)

    assert (done.changed, done.statements, done.enrolments) == (0, 7, 1)
    assert done.before == done.after == table_hashes()


def test_verifying_finds_what_differs_and_leaves_it(history: Enrolment) -> None:
    Event.objects.filter(verb=10).update(scaled=0.9)
    DailyRollup.objects.filter(day=day(1).date()).delete()
    Risk.objects.update(value=0.99)
    before, marks = table_hashes(), list(EnrolmentMark.objects.values())

    done = rebuild(now=day(20), mode=Mode.VERIFY)

    assert (done.events, done.rollups, done.risks) == (1, 1, 1)
    assert done.after["events"] != done.before["events"]
    assert done.after["rollups"].rows == done.before["rollups"].rows + 1
    assert table_hashes() == before
    assert list(EnrolmentMark.objects.values()) == marks
    assert RiskChange.objects.count() == 1


def test_verifying_leaves_out_what_waits_for_a_refresh(history: Enrolment) -> None:
    send(statement(at=day(7)), credential=make_credential().credential, now=day(8))

    done = rebuild(now=day(9), mode=Mode.VERIFY)

    assert (done.waiting, done.enrolments, done.changed) == (1, 0, 0)


def test_an_event_without_a_statement_goes(history: Enrolment) -> None:
    make_event(history, day(3), statement_id=uuid4())
    refresh(now=day(7))

    assert rebuild(now=day(8), mode=Mode.VERIFY).orphans == 1
    done = rebuild(now=day(8))

    assert (done.orphans, done.rollups) == (1, 1)
    assert rebuild(now=day(8), mode=Mode.VERIFY).changed == 0


def test_a_verb_map_is_previewed_before_it_is_used(history: Enrolment) -> None:
    VerbSynonym.objects.create(iri=PONDERED, verb=1)
    before = table_hashes()

    seen = rebuild(now=day(8), mode=Mode.PREVIEW)

    assert table_hashes() == before
    assert seen.kinds == {("other", "completed"): 1}
    assert seen.moved["pace"] == seen.moved["missing"] == 1
    assert seen.after != seen.before
    done = rebuild(now=day(8))
    assert (done.kinds, done.moved, done.shifts) == (seen.kinds, seen.moved, seen.shifts)
    assert done.after == seen.after == table_hashes()


def test_a_preview_looks_only_at_those_whose_events_change(history: Enrolment) -> None:
    other = enrolled("person-0002")
    send(
        statement(actor=account("person-0002"), at=day(1)),
        credential=make_credential().credential,
        now=day(6),
    )
    refresh(now=day(7))
    VerbSynonym.objects.create(iri=PONDERED, verb=1)

    assert rebuild(now=day(8), mode=Mode.PREVIEW).enrolments == 1
    assert FeatureRow.objects.filter(pk=other.pk).exists()


def test_what_is_understood_anew_is_known_last(history: Enrolment) -> None:
    seqs = set(Event.objects.values_list("known_seq", flat=True))
    known_at = dict(Event.objects.values_list("statement_id", "known_at"))
    VerbSynonym.objects.create(iri=PONDERED, verb=3)

    rebuild(now=day(8))

    after = sorted(Event.objects.values_list("known_seq", flat=True))
    assert len(set(after)) == 7
    assert after[-1] == max(seqs) + 1 == EnrolmentMark.objects.get().known_seq
    assert dict(Event.objects.values_list("statement_id", "known_at")) == known_at


def test_it_rebuilds_from_archived_bodies(history: Enrolment) -> None:
    before = table_hashes()
    archive(now=day(60))
    raw.release(date(2026, 1, 1), now=day(60))
    lose_everything()

    rebuild(now=day(7))

    assert table_hashes() == before


def test_it_finds_cold_months_as_they_should_be(history: Enrolment) -> None:
    archive(now=day(60))
    raw.release(date(2026, 1, 1), now=day(60))
    cooling.cool(date(2026, 1, 1), now=day(60))
    held = Event.objects.count()

    assert rebuild(now=day(61), mode=Mode.VERIFY).changed == 0
    assert rebuild(now=day(61)).changed == 0
    assert Event.objects.count() == held == 1


def test_a_cold_event_understood_anew_overrules_the_cold_store(history: Enrolment) -> None:
    archive(now=day(60))
    cooling.cool(date(2026, 1, 1), now=day(60))
    VerbSynonym.objects.create(iri=PONDERED, verb=1)

    done = rebuild(now=day(61))

    assert done.kinds == {("other", "completed"): 1}
    assert FeatureRow.objects.get().values["missing"] == 0
    assert rebuild(now=day(61), mode=Mode.VERIFY).changed == 0
    archive(now=day(62))
    assert rebuild(now=day(63), mode=Mode.VERIFY).changed == 0


def test_it_does_not_bring_back_what_was_given_up(history: Enrolment) -> None:
    ConsentScope.objects.filter(pk="record").update(retention_days=30)
    late = statement(at=day(1))
    send(late, credential=make_credential().credential, now=day(70))
    retention.apply(now=datetime(2026, 4, 1, tzinfo=UTC))

    assert Statement.objects.count() == 1  # stored in March, of something in January
    assert rebuild(now=datetime(2026, 4, 1, tzinfo=UTC)).events == 0
    assert not Event.objects.exists()


def test_age_alone_gives_nothing_up(history: Enrolment) -> None:
    Enrolment.objects.update(state="completed", ended_at=day(6))
    refresh(now=day(7))
    before = table_hashes()
    DailyRollup.objects.all().delete()

    seen = rebuild(now=day(4000), mode=Mode.VERIFY)

    assert seen.rollups == before["rollups"].rows
    assert seen.after["rollups"] == before["rollups"]
    assert seen.after["features"] == seen.before["features"] == before["features"]


def test_it_keeps_only_the_greatest_moves() -> None:
    done = Rebuilt()
    for number in range(200):
        done.note_risk(number, 0.0, number / 1000)
    done.note_risk(200, None, 0.1)

    assert len(done.shifts) == LINES
    assert done.lines()[0] == "enrolment 200: risk not sure → 0.10"
    assert done.lines()[1] == "enrolment 199: risk 0.00 → 0.20"


def test_the_command_fails_where_something_differs(history: Enrolment) -> None:
    call_command("rebuild", verify=True, stdout=StringIO())
    Event.objects.filter(verb=10).update(scaled=0.9)
    out = StringIO()

    with pytest.raises(CommandError, match="not what the statements say"):
        call_command("rebuild", verify=True, stdout=out)

    assert "1 events differ" in out.getvalue()
    assert "≠" in out.getvalue()
    assert Event.objects.get(verb=10).scaled == 0.9


def test_the_command_previews_a_verb_map(history: Enrolment) -> None:
    VerbSynonym.objects.create(iri=PONDERED, verb=1)
    out = StringIO()

    call_command("rebuild", dry_run=True, stdout=out)

    assert "1 events: other → completed" in out.getvalue()
    assert "1 enrolments: days_since_done moved" in out.getvalue()
    assert "would change" in out.getvalue()
    assert Event.objects.filter(verb=0).count() == 1
