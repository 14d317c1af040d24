"""From a feature to the events and results behind it, in its window and no others."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from signals.archive import cooling
from signals.archive.write import archive
from signals.features.definitions import BY_KEY
from signals.features.refresh import refresh
from signals.models import AssessmentResult, Event, Verb
from signals.risk import evidence
from signals.risk.evidence import Rows
from signals.risk.groups import Signal, may_be_named
from tests.support.knowledge import day, enrolled, make_event, make_result

pytestmark = pytest.mark.django_db
NOW = day(20)


def test_every_feature_that_may_be_named_says_which_rows_it_rests_on() -> None:
    for key in BY_KEY:
        if may_be_named(key):
            assert evidence.rows_of(key) in Rows


def test_it_finds_the_events_of_a_window_the_latest_first() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(10), activity=1)
    newer = make_event(enrolment, day(15), activity=2)
    newest = make_event(enrolment, day(16), activity=3, amount=4)
    refresh(now=NOW)

    found = evidence.events_of("amount_7", enrolment, as_of=NOW)

    assert [one.statement_id for one in found] == [newest.statement_id, newer.statement_id]
    assert found[0].detail == "4 times"


def test_a_window_opens_on_its_first_day() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(13.9))
    first = make_event(enrolment, day(14))

    found = evidence.events_of("amount_7", enrolment, as_of=NOW)

    assert [one.statement_id for one in found] == [first.statement_id]


def test_it_finds_the_results_behind_a_score() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(2))
    result = make_result(enrolment, day(3), scaled=0.35, success=False)

    found = evidence.events_of("mastery", enrolment, as_of=NOW)

    assert [(one.statement_id, one.detail) for one in found] == [
        (result.statement_id, "35 of 100 points, not passed")
    ]


def test_it_finds_what_finished_a_step_of_the_plan() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(2))
    done = make_event(enrolment, day(3), verb=Verb.COMPLETED)

    assert [one.statement_id for one in evidence.events_of("pace", enrolment, as_of=NOW)] == [
        done.statement_id
    ]


def test_it_leaves_out_what_was_taken_back_and_what_came_later() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(2), voided_seq=9)
    make_result(enrolment, day(2), scaled=0.5)
    AssessmentResult.objects.update(voided_seq=9)
    make_event(enrolment, NOW + timedelta(hours=1))
    Event.objects.filter(occurred_at=day(2)).update(voided_seq=9)

    assert evidence.events_of("amount_30", enrolment, as_of=NOW) == []
    assert evidence.events_of("mastery", enrolment, as_of=NOW) == []


def test_it_is_bounded() -> None:
    enrolment = enrolled()
    for hour in range(evidence.MOST_EVENTS + 5):
        make_event(enrolment, day(10) + timedelta(hours=hour))
    refresh(now=NOW)

    found = evidence.of(enrolment, Signal.ACTIVITY, feature="amount_30")

    assert (len(found.events), found.is_cut) == (evidence.MOST_EVENTS, True)


def test_it_says_which_months_of_the_window_are_in_the_cold_store(tmp_path: Path, settings: Any) -> None:
    settings.ARCHIVE_DIR = str(tmp_path / "archive")
    enrolment = enrolled()
    make_event(enrolment, day(3))
    make_event(enrolment, day(40))
    refresh(now=day(41))
    archive(now=day(60))
    cooling.cool(date(2026, 1, 1), now=day(60))

    found = evidence.of(enrolment, Signal.ACTIVITY, feature="amount")

    assert (len(found.events), found.cold) == (1, (date(2026, 1, 1),))
    assert evidence.cold_months("amount_7", enrolment, as_of=day(41)) == ()
    assert evidence.cold_months("mastery", enrolment, as_of=day(41)) == ()


def test_it_gives_each_feature_with_value_window_and_version() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(3), scaled=0.35)
    refresh(now=NOW)

    found = evidence.of(enrolment, Signal.RESULTS, feature="mastery")

    assert found.chosen is not None
    assert (found.chosen.value, found.chosen.window, found.chosen.version) == ("35 %", "last 5 scores", 1)
    assert not any(one.key.endswith("_pct") for one in found.features)


def test_it_names_the_signals_of_reasons_and_never_the_background() -> None:
    reasons = [
        {"signal": "background", "known": True, "contribution": 3.0},
        {"signal": "results", "known": True, "contribution": 0.1},
        {"signal": "activity", "known": True, "contribution": 0.4},
        {"signal": "plan", "known": False, "contribution": 0.0},
        {"feature": "mastery", "known": True, "contribution": 0.0},
    ]

    assert evidence.signals_of(reasons) == [Signal.ACTIVITY, Signal.RESULTS]
