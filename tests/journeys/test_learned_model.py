"""From events to a learned model that is live, through every part, and back again."""

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from learners.models import Course, Enrolment
from signals import partitions
from signals.features.refresh import refresh_enrolments
from signals.models import AssessmentResult, EnrolmentMark, Event, Risk, Verb
from signals.risk.live import live_model
from signals.risk.reasons import sentences
from signals.training import card as cards
from signals.training import heldout, promotion
from signals.training.gate import Bounds
from signals.training.train import train
from tests.support.learners import make_course, make_enrolment

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

NOW = datetime(2026, 6, 10, 9, tzinfo=UTC)
LENIENT = Bounds(least_people=30, least_each=10, slice_people=1000, calibration_tolerance=1.0)


def run_of(course: Course, begins: datetime, *, people: int, days: int, over: bool) -> list[Enrolment]:
    """Every second one learns twice a week and passes; the others stop after a week. Nobody is perfectly regular."""
    partitions.ensure(
        {partitions.month_of(begins + timedelta(days=number)) for number in range(0, days + 31, 28)}
    )
    made, events, results = [], [], []
    for place in range(people):
        good = place % 2 == 0
        luck = place % 7 == 0  # some end otherwise than their activity lets one expect
        enrolment = make_enrolment(
            course=course,
            starts_on=begins.date(),
            enrolled_at=begins - timedelta(days=3),
            due_on=(begins + timedelta(days=days)).date(),
            state=("completed" if good is not luck else "failed") if over else "active",
            ended_at=begins + timedelta(days=days) if over else None,
        )
        made.append(enrolment)
        last = days - 2 if good else 7 + place % 5
        for number in range(1 + place % 3, last, 3):
            at = begins + timedelta(days=number, hours=9 + place % 8)
            fields: dict[str, Any] = {
                "statement_id": f"00000000-0000-4000-8000-{course.pk:04}{enrolment.pk:05}{number:03}",
                "learner_id": enrolment.learner_id,
                "enrolment_id": enrolment.pk,
                "occurred_at": at,
                "known_seq": number,
                "activity": number % 9,
            }
            events.append(Event(verb=Verb.EXPERIENCED, known_at=at, amount=1 + place % 4, **fields))
            if number % 2:
                results.append(AssessmentResult(scaled=0.5 + 0.3 * good + 0.02 * (place % 6), **fields))
    Event.objects.bulk_create(events)
    AssessmentResult.objects.bulk_create(results)
    for enrolment in made:
        mine = sorted({one.occurred_at.date() for one in events if one.enrolment_id == enrolment.pk})
        EnrolmentMark.objects.update_or_create(
            enrolment=enrolment, defaults={"known_seq": 100, "dirty_days": mine, "dirty_since": begins}
        )
    return made


def test_it_learns_is_promoted_scores_with_reasons_and_is_taken_back() -> None:
    live_model(now=NOW)
    first = make_course(length_days=60, iri="https://lms.example.test/safety/2025A")
    second = make_course(length_days=60, iri="https://lms.example.test/safety/2026A")
    run_of(first, datetime(2025, 9, 1, tzinfo=UTC), people=70, days=60, over=True)
    run_of(second, datetime(2026, 1, 5, tzinfo=UTC), people=50, days=60, over=True)
    # A cohort of three, without any assessment, one of them without any event.
    small = make_course(length_days=60, iri="https://lms.example.test/small/2026B")
    three = run_of(small, datetime(2026, 5, 11, tzinfo=UTC), people=2, days=29, over=False)
    AssessmentResult.objects.filter(enrolment_id__in=[one.pk for one in three]).delete()
    silent = make_enrolment(
        course=small,
        starts_on=datetime(2026, 5, 11, tzinfo=UTC).date(),
        enrolled_at=datetime(2026, 5, 10, tzinfo=UTC),
    )

    model = train(as_of=datetime(2026, 1, 1, tzinfo=UTC), now=NOW, method="logistic")
    evidence = heldout.evidence(candidate=model, compared_with=live_model(now=NOW), now=NOW)
    # Fifty people are too few to tell surely which is better: as if the live one knew nothing.
    evidence = replace(evidence, old=evidence.old * 0 + 0.5)
    row = promotion.promote(candidate=model, evidence=evidence, now=NOW, bounds=LENIENT)
    refresh_enrolments([*(one.pk for one in three), silent.pk], now=NOW)

    card = cards.read(model.card)
    assert card.data.cohorts == ("safety/2025A@2025-09-01",) and card.data.people == 70
    assert {one.group for one in card.ablation} >= {"Activity", "Results"}
    assert row.outcome == "promoted" and set(evidence.runs) == {
        f"safety/2026A@2026-01-05 day {day}" for day in (14, 28, 56)
    }
    risks = {risk.pk: risk for risk in Risk.objects.select_related("model_version")}
    assert set(risks) == {*(one.pk for one in three), silent.pk}
    assert {risk.model_version.name for risk in risks.values()} == {model.name}
    keen, quiet = (risks[one.pk] for one in three)
    assert keen.value is None or quiet.value is None or keen.value < quiet.value
    assert any("not known" in one or "activity" in one.lower() for one in sentences(quiet.reasons))

    promotion.roll_back(because="It was a try.", now=NOW)
    refresh_enrolments([silent.pk], now=NOW)

    assert Risk.objects.get(pk=silent.pk).model_version.name == "composite-1"
    assert train(as_of=datetime(2026, 1, 1, tzinfo=UTC), now=NOW, method="logistic") == model


def test_each_course_is_judged_by_a_model_of_the_others(tmp_path: Path) -> None:
    live_model(now=NOW)
    begins = datetime(2025, 9, 1, tzinfo=UTC)
    for name in ("AAA", "BBB"):
        course = make_course(
            length_days=60, iri=f"https://lms.example.test/{name}/2025J", starts_on=begins.date()
        )
        run_of(course, begins, people=60, days=60, over=True)
    figures, predictions = tmp_path / "figures.json", tmp_path / "predictions.csv"

    call_command(
        "evaluate",
        train=["2025J"],
        leave_out="course",
        day=[14, 28],
        method="logistic",
        json=figures,
        predictions=predictions,
    )

    told = json.loads(figures.read_text())
    assert told["left_out"] == "course" and told["trained_on"] == told["tested_on"] == ["2025J"]
    # Who stops after a week can be told from who does not, in a course the model was not shown.
    assert told["metrics"]["day 28"]["auc"]["value"] > 0.7
    with predictions.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["module"] for row in rows} == {"AAA", "BBB"} and {row["day"] for row in rows} == {"14", "28"}
    assert len(rows) == 240 and all(0 < float(row["probability"]) < 1 for row in rows)

    Course.objects.filter(iri__contains="BBB").update(iri="https://lms.example.test/BBB/2024J")
    with pytest.raises(CommandError, match="There is one course only"):
        call_command("evaluate", train=["2025J"], leave_out="course")
