"""Rebuilding: what is derived comes out again from what was sent, and twice changes nothing."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from learners.models import Enrolment
from signals.features.refresh import refresh
from signals.models import AssessmentResult, DailyRollup, Event, FeatureRow, Risk, VerbSynonym
from signals.rebuild import rebuild
from tests.support.knowledge import day, enrolled
from tests.support.signals import make_credential, send, statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def history() -> Enrolment:
    """Somebody who read, was scored and was refreshed."""
    enrolment = enrolled()
    send(
        *[statement("experienced", f"https://lms.example.com/page/{n}", at=day(n)) for n in range(4)],
        statement("scored", "https://lms.example.com/quiz/1", at=day(4), scaled=0.3),
        statement("https://example.com/verbs/pondered", "https://lms.example.com/page/9", at=day(5)),
        credential=make_credential().credential,
        now=day(6),
    )
    refresh(now=day(7))
    return enrolment


def test_it_changes_nothing_that_is_right(history: Enrolment) -> None:
    done = rebuild(now=day(20))

    assert (done.statements, done.enrolments, done.changed) == (6, 1, 0)


def test_it_makes_lost_events_again(history: Enrolment) -> None:
    before = FeatureRow.objects.get(pk=history.pk).values
    Event.objects.all().delete()
    AssessmentResult.objects.all().delete()
    DailyRollup.objects.all().delete()

    done = rebuild(now=day(7))

    assert (done.events, done.rollups) == (6, 6)
    assert FeatureRow.objects.get(pk=history.pk).values == before
    assert rebuild(now=day(20)).changed == 0


def test_it_keeps_when_something_became_known(history: Enrolment) -> None:
    known = set(Event.objects.values_list("statement_id", "known_at"))
    Event.objects.all().delete()

    rebuild(now=day(30))

    assert set(Event.objects.values_list("statement_id", "known_at")) == known


def test_it_reads_old_statements_with_what_is_known_about_verbs_today(history: Enrolment) -> None:
    VerbSynonym.objects.create(iri="https://example.com/verbs/pondered", verb=3)

    done = rebuild(now=day(8))

    assert done.events == 1
    assert not Event.objects.filter(verb=0).exists()
    assert rebuild(now=day(8)).changed == 0


def test_it_mends_a_rollup_and_what_follows(history: Enrolment) -> None:
    DailyRollup.objects.update(amount=999)
    Risk.objects.update(value=0.99)

    done = rebuild(now=day(20))

    assert done.rollups == 6
    assert done.risks == 1
    assert Risk.objects.get().value != 0.99


def test_it_looks_only_at_what_came_since(history: Enrolment) -> None:
    done = rebuild(now=day(20), since=(day(6) + timedelta(days=1)).date())

    assert done.statements == 0


def test_it_does_not_enrol_again_who_has_left(history: Enrolment) -> None:
    Enrolment.objects.filter(pk=history.pk).update(state="withdrawn", ended_at=day(7))
    refresh(now=day(8))

    rebuild(now=day(9))

    assert Enrolment.objects.count() == 1


def test_the_command_says_what_changed(history: Enrolment) -> None:
    DailyRollup.objects.filter(day=day(1).date()).delete()
    out = StringIO()

    call_command("rebuild", stdout=out)
    assert "1 rollups changed" in out.getvalue()

    out = StringIO()
    call_command("rebuild", stdout=out)
    assert "Nothing changed." in out.getvalue()


def test_the_command_says_how_to_write_a_date() -> None:
    with pytest.raises(CommandError, match="2026-03-01"):
        call_command("rebuild", since="yesterday")
