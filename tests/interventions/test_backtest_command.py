"""manage.py backtest: what really was decided comes out equal; what is asked wrongly is answered clearly."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from interventions import approvals
from interventions.backtest import run
from interventions.backtest.preview import more_alerts
from interventions.models import Approval, Decision
from interventions.policy import store
from interventions.policy.document import with_changes
from signals import labels
from tests.support.interventions import make_decision
from tests.support.journey import MONDAY, Journey

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
SPAN = ("--from", "2026-03-01", "--to", "2026-04-30")


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("backtest", *arguments, stdout=out)
    return out.getvalue()


def lived(days: int = 12, *, agreed: bool = False) -> Journey:
    """Somebody who was active for a week and then fell silent. ``agreed``: a person says yes to every step."""
    journey = Journey()
    journey.send(*(journey.statement(at=MONDAY + timedelta(hours=9 * n)) for n in range(12)))
    journey.now += timedelta(days=5)
    for _ in range(days):
        journey.tick(days=1)
        for waiting in Approval.objects.filter(state="waiting") if agreed else ():
            approvals.approve(decision=waiting.decision, by=journey.coach.pk, now=journey.now)
    return journey


def figures(other: Any = None) -> dict[str, Any]:
    live = store.live()
    span = run.span_of(MONDAY.date(), (MONDAY + timedelta(days=58)).date())
    return run.backtest(span=span, base=run.Side(live.version, store.document(live)), other=other).told


def test_it_reproduces_every_decision_by_hash() -> None:
    lived()

    printed = told(*SPAN)

    count = Decision.objects.count()
    assert Decision.objects.exclude(action="monitor").exists()
    assert f"{count} equal, 0 different" in printed


def test_it_has_a_row_for_every_evaluation_that_chose_to_do_nothing() -> None:
    journey = lived(days=3)

    before = set(Decision.objects.values_list("pk", flat=True))
    journey.does()
    journey.tick(minutes=1)

    new = Decision.objects.exclude(pk__in=before).order_by("-at")
    # What opened the episode is over; then somebody is looked at once more, without one.
    assert sorted(one.reasons[0] for one in new) == ["recovered", "too_little_known"]
    assert {one.action for one in new} == {"monitor"}
    decision = new[0]
    assert decision.snapshot is not None
    assert decision.known_seq > 0


def test_it_lists_the_first_differences() -> None:
    decision = make_decision(at=MONDAY, snapshot=None)
    lived()
    real = Decision.objects.filter(action="monitor").exclude(snapshot=None)[0]
    # As an earlier release might have decided: a nudge where the rules of today see nothing to do.
    forged = make_decision(
        enrolment=real.enrolment, episode=decision.episode, step=5, snapshot=real.snapshot, at=real.at
    )

    found = figures()["reproduced"]

    assert (found["different"], found["forgotten"]) == (1, 1)
    assert found["first_differences"][0]["decision_id"] == str(forged.pk)
    assert "nudge" in found["first_differences"][0]["recorded"]


def test_it_leaves_out_what_a_person_chose() -> None:
    lived(days=6)
    real = Decision.objects.exclude(action="monitor")[0]
    make_decision(
        episode=real.episode, step=7, snapshot=real.snapshot, reasons=["changed_by_a_person"], at=real.at
    )

    found = figures()["reproduced"]

    assert (found["by_a_person"], found["different"]) == (1, 0)


def test_it_says_what_another_policy_would_have_meant() -> None:
    lived(agreed=True)
    draft = store.draft_from_live(
        by=None, now=MONDAY, changes={"triggers.inactivity.enabled": False, "triggers.mastery.enabled": False}
    )

    printed = told(*SPAN, "--policy", str(draft.version))

    assert f"Policy {draft.version} chooses otherwise at" in printed
    assert "no longer get one: 1" in printed
    assert "too small to show" in printed


def test_it_shows_no_slice_of_fewer_than_five_people() -> None:
    lived(days=2)

    slices = figures()["slices"]

    assert {row["dimension"] for row in slices} == {"impact", "unit", "course"}
    assert all(row["too_small"] and "policies" not in row for row in slices)


def test_it_counts_hours_against_what_coaches_have() -> None:
    lived(days=2)
    live = store.live()
    draft = run.Side(9, with_changes(store.document(live), {"limits.coach_hours_week": 3}))

    found = figures(other=draft)

    assert found["capacity"] == {"coaches": 1, "coach_hours_per_week": 3}
    assert all(
        one["coach_hours_per_week"] == pytest.approx(one["coach_cases_per_week"] * 0.75)
        for one in found["policies"]
    )


def test_it_learns_from_the_record_how_many_steps_get_a_yes() -> None:
    lived()  # nobody answers, and the step lapses

    found = figures()

    assert found["assumptions"]["approved"] == 0
    assert found["policies"][0]["learner_alerts_per_week"] == 0
    assert found["policies"][0]["declined_per_week"] > 0


def test_it_writes_all_figures_as_json(tmp_path: Path) -> None:
    lived(days=4)
    path = tmp_path / "figures.json"

    told(*SPAN, "--json", str(path))

    written = json.loads(path.read_text())
    assert written["reproduced"]["different"] == 0
    assert set(written["policies"][0]["precision"]) == {"right", "judged", "value", "low", "high"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2026-04-30", "--to", "2026-03-01"), "before it begins"),
        (("--from", "yesterday", "--to", "2026-03-01"), "is not a day"),
        (
            ("--from", "2026-03-01", "--to", "2026-04-30", "--policy", "99"),
            "There is no policy 99; there are 1",
        ),
        (("--from", "2020-03-01", "--to", "2020-04-30"), "Nothing is recorded between 2020-03-01 and"),
        ((*SPAN, "--json", "/no/such/place/f.json"), "There is no directory"),
    ],
)
def test_it_says_what_is_wrong_with_what_was_asked(arguments: tuple[str, ...], words: str) -> None:
    make_decision(at=MONDAY)

    with pytest.raises(CommandError, match=words):
        told(*arguments)


def test_it_stops_when_its_time_is_over_and_says_how_far_it_came() -> None:
    lived(days=3)
    make_decision(at=MONDAY, snapshot=None)
    live = store.live()
    span = run.span_of(MONDAY.date(), (MONDAY + timedelta(days=58)).date())

    found = run.backtest(span=span, base=run.Side(1, store.document(live)), is_over=lambda: True).told

    assert (found["people"], found["of_people"], found["is_sample"]) == (2, 2, False)


def test_it_asks_no_query_per_row(django_assert_max_num_queries: Any) -> None:
    lived(days=6)

    with django_assert_max_num_queries(20):
        figures()


def test_it_asks_labels_whether_a_flag_was_right() -> None:
    journey = lived(agreed=True)
    flag = Decision.objects.exclude(action="monitor").order_by("at")[0]
    labels.record(
        enrolment_id=journey.enrolment.pk,
        as_of=flag.at,
        definition="needed_help@1",
        value=True,
        horizon_days=0,
        treated=True,
        propensity=1.0,
        now=journey.now,
    )

    precision = figures()["policies"][0]["precision"]

    assert (precision["right"], precision["judged"], precision["value"]) == (1, 1, 1.0)
    assert 0 < precision["low"] < precision["high"] == 1.0


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({}, []),
        ({"learner_alerts_per_week": 10.05}, []),  # the noise of a sample
        ({"learner_alerts_per_week": 12.0}, ["12.0 alerts to learners a week rather than 10.0"]),
        ({"coach_cases_per_week": 3.0, "learner_alerts_per_week": 5.0}, ["3.0 cases for coaches a week"]),
    ],
)
def test_it_finds_a_draft_louder_that_would_have_had_more(more: dict[str, float], needs: list[str]) -> None:
    live = {"learner_alerts_per_week": 10.0, "manager_alerts_per_week": 1.0, "coach_cases_per_week": 2.0}

    found = more_alerts({"policies": [live, live | more]})

    assert len(found) == len(needs)
    assert all(words in reason.why for reason, words in zip(found, needs, strict=True))
    assert more_alerts(None) == []
