"""The feature store: what new features mean, what a broken definition costs, what an upgrade leaves to do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from learners.models import Competency, Enrolment, JobRole, PlanStep, RoleCompetency
from signals.features import catalogue, compile, expression, halving, outdated
from signals.features.bulk import compute as bulk
from signals.features.definitions import COMPUTED, COUNTS, FEATURES
from signals.features.halving import SUSPECTS, find_raising
from signals.features.kinds import KINDS, TYPES, kind_of_type
from signals.features.refresh import refresh
from signals.features.rollup import RECIPE
from signals.models import DailyRollup, EnrolmentMark, FeatureFault, FeatureRow, Risk, Verb
from signals.xapi.keys import activity_key, activity_type_key
from tests.support.knowledge import day, enrolled, features_of, make_event, make_result
from tests.support.signals import make_course, make_enrolment

pytestmark = pytest.mark.django_db

VIDEO = activity_type_key("https://w3id.org/xapi/video/activity-type/video")
QUIZ = activity_type_key("https://ou.example/activity-types/quiz")


def plan(enrolment: Enrolment, *steps: tuple[int, float]) -> list[int]:
    """Steps of (due day, weight); the keys of their activities."""
    keys = []
    for number, (due, weight) in enumerate(steps):
        iri = f"https://lms.example.com/step/{number}"
        PlanStep.objects.create(
            course=enrolment.course, activity_iri=iri, name=f"Step {number}", due_day=due, weight=weight
        )
        keys.append(activity_key(iri))
    return keys


def test_it_knows_for_somebody_without_events_that_nothing_was_done_and_nothing_else() -> None:
    values = features_of(enrolled(), now=day(10))

    assert {feature.key for feature in FEATURES} == values.keys()
    assert {values[key] for key in COUNTS if key not in ("courses_ended",)} == {0}
    known = {key for key, value in values.items() if value is not None} - COUNTS
    assert known == {
        "active_day_share",
        "amount_trend",
        "active_days_trend",
        "day",
        "days_enrolled",
        "days_inactive",
        "enrolled_before_start",
        "started_at",
    } - ({"amount_trend", "active_days_trend"} if values["amount_trend"] is None else set())


def test_it_counts_kinds_of_material_and_hours_of_the_day() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1.3), activity=1, activity_type=QUIZ, amount=3)
    make_event(enrolment, day(1.6), activity=2, activity_type=12345, amount=1)

    values = features_of(enrolment, now=day(2))

    assert (values["amount_assessment"], values["amount_other"], values["share_assessment"]) == (3, 1, 0.75)
    assert (values["share_morning"], values["share_afternoon"], values["share_night"]) == (0.75, 0.25, 0)


def test_it_counts_a_material_once_however_often_it_was_opened() -> None:
    enrolment = enrolled()
    for at, activity in ((1, 1), (1.1, 1), (20, 1), (20.1, 2), (25, 3)):
        make_event(enrolment, day(at), activity=activity)

    values = features_of(enrolment, now=day(26))

    assert (values["materials"], values["materials_7"], values["new_materials_7"]) == (3, 3, 2)
    assert values["reopened_share"] == pytest.approx(1 / 3)


def test_it_forgets_a_material_whose_only_event_was_voided() -> None:
    enrolment = enrolled()
    event = make_event(enrolment, day(1), activity=1)
    make_event(enrolment, day(1.1), activity=2)
    assert features_of(enrolment, now=day(2))["materials"] == 2

    type(event).objects.filter(statement_id=event.statement_id).update(voided_seq=9)
    EnrolmentMark.objects.update(dirty_days=[day(1).date()], dirty_since=day(2))

    assert features_of(enrolment, now=day(2))["materials"] == 1


def test_it_takes_leaving_for_something_else_within_ten_seconds_for_haste() -> None:
    enrolment = enrolled()
    for seconds, activity in ((0, 1), (10, 2), (21, 1), (25, 1)):
        make_event(enrolment, day(1) + timedelta(seconds=seconds), activity=activity)

    assert features_of(enrolment, now=day(2))["hasty_share"] == 0.25


def test_it_takes_the_furthest_of_a_video_as_watched() -> None:
    enrolment = enrolled()
    for at, share in ((1, 0.2), (2, 0.9), (3, 0.4)):
        make_event(enrolment, day(at), verb=Verb.PROGRESSED, activity=1, activity_type=VIDEO, progress=share)
    make_event(enrolment, day(3), verb=Verb.PROGRESSED, activity=2, activity_type=VIDEO, progress=0.5)
    make_event(enrolment, day(3), verb=Verb.PROGRESSED, activity=3, activity_type=QUIZ, progress=0.1)

    values = features_of(enrolment, now=day(4))

    assert (values["watched"], values["watched_share"]) == (2, pytest.approx(0.7))


def test_it_compares_the_last_week_with_the_weeks_before() -> None:
    enrolment = enrolled()
    for at in (1, 8, 15, 22):
        make_event(enrolment, day(at), amount=7)
    make_event(enrolment, day(29), amount=1)

    values = features_of(enrolment, now=day(30))

    assert values["amount_trend"] == pytest.approx(-1.3862943611)  # ln(2 / 8)


def test_it_knows_no_trend_in_the_first_two_weeks() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))

    assert features_of(enrolment, now=day(10))["amount_trend"] is None


def test_it_counts_overdue_work_as_no_points() -> None:
    enrolment = enrolled()
    keys = plan(enrolment, (2, 10), (4, 30), (50, 60))
    make_result(enrolment, day(1), scaled=0.8, activity=keys[0])

    values = features_of(enrolment, now=day(10))

    assert values["points_share"] == pytest.approx(0.2)
    assert values["weighted_score"] == pytest.approx(0.8)
    assert (values["weight_done"], values["weight_missing"]) == (pytest.approx(0.1), pytest.approx(0.3))


def test_it_weighs_the_steps_of_a_plan_without_weights_alike() -> None:
    enrolment = enrolled()
    keys = plan(enrolment, (2, 0), (4, 0))
    make_result(enrolment, day(1), scaled=0.8, activity=keys[0])

    assert features_of(enrolment, now=day(10))["points_share"] == pytest.approx(0.4)


def test_it_adds_up_failures_on_one_competency_over_its_activities() -> None:
    enrolment = enrolled()
    first, second = plan(enrolment, (2, 1), (4, 1))
    PlanStep.objects.update(competency=Competency.objects.create(key="reading", name="Reading"))
    make_result(enrolment, day(1), scaled=0.1, activity=first)
    make_result(enrolment, day(2), scaled=0.1, activity=second)
    make_result(enrolment, day(3), scaled=0.1, activity=999)
    assert features_of(enrolment, now=day(4))["repeated_failures"] == 2
    assert features_of(enrolment, now=day(4))["open_concepts"] == 1

    make_result(enrolment, day(5), scaled=0.9, activity=first)

    assert features_of(enrolment, now=day(6))["open_concepts"] == 0


def test_it_measures_the_gap_to_what_the_role_asks_for_by_the_newest_word() -> None:
    enrolment = enrolled()
    competency = Competency.objects.create(key="reading", name="Reading")
    role = JobRole.objects.create(code="clerk", name="Clerk", impact=JobRole.Impact.CRITICAL)
    RoleCompetency.objects.create(job_role=role, competency=competency, level=4)
    learner = enrolment.learner
    learner.job_role, learner.started_on = role, date(2025, 12, 26)
    learner.save()
    for level, on in ((1, date(2026, 1, 1)), (2, date(2026, 1, 3)), (4, date(2026, 2, 1))):
        learner.baseline.create(competency=competency, level=level, source="test", as_of=on)

    values = features_of(enrolment, now=day(0))

    assert (values["skill_gap"], values["skill_gap_largest"]) == (2, 2)
    assert (values["role_impact_level"], values["tenure_days"]) == (2, 10)


def test_it_reads_what_others_said_of_the_person() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1), verb=Verb.WAS_RATED, scaled=0.2)
    make_event(enrolment, day(2), verb=Verb.WAS_RATED, scaled=0.6)

    values = features_of(enrolment, now=day(3))

    assert (values["rating_last"], values["rating_mean_365"]) == (0.6, pytest.approx(0.4))
    assert values["active_days"] == 0


def test_it_counts_how_earlier_courses_ended() -> None:
    first = enrolled()
    Enrolment.objects.filter(pk=first.pk).update(state="completed", ended_at=day(5))
    second = make_enrolment(first.learner, make_course("https://lms.example.com/course/2"))

    assert features_of(second, now=day(4))["courses_ended"] == 0
    EnrolmentMark.objects.filter(pk=second.pk).update(dirty_since=day(6))
    values = features_of(second, now=day(6))
    assert (values["courses_ended"], values["courses_passed"], values["pass_share"]) == (1, 1, 1)


def test_every_type_has_one_kind() -> None:
    listed = [iri for iris in TYPES.values() for iri in iris]

    assert len(set(listed)) == len(listed)
    assert set(TYPES) < set(KINDS)
    assert kind_of_type()[activity_type_key("https://ou.example/activity-types/forumng")] == "discussion"


# --- definitions that raise -------------------------------------------------------------------------------------


@pytest.fixture
def definitions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Replaces the expressions of some features by others."""

    def replaced(**expressions: Any) -> None:
        changed = tuple(
            replace(f, expression=expressions[f.key]) if f.key in expressions else f for f in COMPUTED
        )
        monkeypatch.setattr(expression, "COMPUTED", changed)
        compile.compiled.cache_clear()

    yield replaced
    compile.compiled.cache_clear()


@pytest.fixture
def few_suspects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try compiles all features anew: four of them to halve are enough."""
    monkeypatch.setattr(halving, "SUSPECTS", ("days_enrolled", "days_inactive", "pace", "amount_14"))


@pytest.mark.slow
def test_a_definition_that_raises_is_unknown_and_noted_and_the_others_go_on(definitions: Any) -> None:
    definitions(
        amount_7=lambda t: t.no_such_column.sum(),
        pace=lambda t: 1 / 0,
    )
    enrolment = enrolled()
    make_event(enrolment, day(1), amount=4)

    values = features_of(enrolment, now=day(2))

    assert (values["amount_7"], values["pace"], values["amount_trend"]) == (None, None, None)
    assert (values["amount_14"], values["days_inactive"]) == (4, pytest.approx(1))
    assert set(FeatureFault.objects.values_list("key", "fault")) == {
        ("amount_7", "AttributeError"),
        ("pace", "ZeroDivisionError"),
    }
    assert Risk.objects.filter(pk=enrolment.pk).exists()


@pytest.mark.slow
def test_a_definition_that_raises_on_some_data_is_unknown_for_its_batch_only(definitions: Any) -> None:
    definitions(active_day_share=lambda t: t.amount.cast("float64") / (t.amount - 4).cast("float64"))
    enrolment = enrolled()
    make_event(enrolment, day(1), amount=4)

    values = features_of(enrolment, now=day(2))

    assert (values["active_day_share"], values["amount"], values["days_inactive"]) == (
        None,
        4,
        pytest.approx(1),
    )
    assert list(FeatureFault.objects.values_list("key", "fault")) == [("active_day_share", "DataError 22012")]
    make_event(enrolment, day(3), amount=4)
    assert features_of(enrolment, now=day(4))["active_day_share"] == 2


@pytest.mark.slow
def test_a_definition_of_the_wrong_shape_is_unknown_and_noted_and_the_others_go_on(definitions: Any) -> None:
    definitions(
        amount_7=lambda t: t.amount,  # one value a day
        pace=lambda t: t.done_at.count() + t.weight,
        day=lambda t: t.as_of_day.max(),  # one value for everybody
        steps=lambda t: 3,
        days_enrolled=lambda t: expression.feature_rows.__name__,
    )
    enrolment = enrolled()
    make_event(enrolment, day(1), amount=4)

    values = features_of(enrolment, now=day(2))

    wrong = {
        key: values[key] for key in ("amount_7", "pace", "day", "steps", "days_enrolled", "amount_trend")
    }
    assert set(wrong.values()) == {None}, wrong
    assert (values["amount_14"], values["days_inactive"]) == (4, pytest.approx(1))
    assert set(FeatureFault.objects.values_list("key", "fault")) == {
        ("amount_7", "NotASummary"),
        ("pace", "NotASummary"),
        ("steps", "NotASummary"),
        ("day", "NotOfOneRow"),
        ("days_enrolled", "NotOfOneRow"),
    }


@pytest.mark.slow
@pytest.mark.usefixtures("few_suspects")
def test_definitions_that_raise_on_some_data_in_bulk_are_unknown_there_and_the_others_as_they_were(
    definitions: Any,
) -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1), amount=4)
    points = [(enrolment.pk, day(2))]
    before = bulk.compute_table(points)
    definitions(
        amount_14=lambda t: t.amount.cast("string").concat("x").cast("int64").sum(),
        days_enrolled=lambda t: t.start_day.cast("string").concat("x").cast("int64"),
    )

    table = bulk.compute_table(points)

    was, now = (dict(zip(keys, rows[0].tolist(), strict=True)) for keys, rows in (before, table))
    changed = {
        key for key in was if was[key] != now[key] and not (was[key] != was[key] and now[key] != now[key])
    }
    assert changed == {"amount_14", "days_enrolled"}
    assert all(now[key] != now[key] for key in changed)  # not known
    assert (now["amount"], now["days_inactive"]) == (4, pytest.approx(1))


@pytest.mark.slow
@pytest.mark.usefixtures("few_suspects")
def test_a_definition_that_an_engine_has_no_words_for_is_unknown_there(definitions: Any) -> None:
    definitions(pace=lambda t: t.weight.kurtosis(), amount_7=lambda t: t.no_such_column.sum())

    made = compile.compiled("postgres")

    assert made.faults == {"pace": "OperationNotDefinedError", "amount_7": "AttributeError"}


def test_what_is_no_definitions_fault_is_blamed_on_none() -> None:
    assert find_raising(lambda out: "DataError", raised="DataError") == {}


def test_each_definition_that_raises_is_found_with_what_it_raised() -> None:
    faulty = {SUSPECTS[0]: "A", SUSPECTS[1]: "B", SUSPECTS[-1]: "C"}
    tries = []

    def raised_without(out: frozenset[str]) -> str | None:
        tries.append(out)
        return next((kind for key, kind in faulty.items() if key not in out), None)

    assert find_raising(raised_without, raised="A") == faulty
    assert len(tries) < len(SUSPECTS) / 2


def test_a_fault_is_noted_once_per_definition() -> None:
    FeatureFault.objects.create(key="a", version=1, fault="X", first_at=day(1), last_at=day(1))

    with pytest.raises(IntegrityError, match="a_fault_is_noted_once_per_definition"), transaction.atomic():
        FeatureFault.objects.create(key="a", version=1, fault="X", first_at=day(1), last_at=day(1))


def test_a_moment_is_no_input_of_a_model() -> None:
    with pytest.raises(ValueError, match="no input"):
        replace(COMPUTED[0], is_time=True, is_model_input=True)


# --- after an upgrade -------------------------------------------------------------------------------------------


def test_rollups_of_an_earlier_recipe_are_brought_up_to_date() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1), activity=7)
    refresh(now=day(2))
    DailyRollup.objects.update(recipe=1, opened=None, night=0, kind_other=0)

    assert outdated.mark(now=day(3)) == 1
    assert outdated.mark(now=day(3)) == 0

    refresh(now=day(3))
    row = DailyRollup.objects.get()
    assert (row.recipe, row.opened, row.kind_other) == (RECIPE, [7], 1)
    assert outdated.mark(now=day(4)) == 0
    assert FeatureRow.objects.get(pk=enrolment.pk).values["materials"] == 1


def test_bringing_rollups_up_to_date_waits_while_others_wait() -> None:
    for name in ("person-0001", "person-0002"):
        make_event(enrolled(name), day(1))
    refresh(now=day(2))
    DailyRollup.objects.update(recipe=1)
    EnrolmentMark.objects.filter(pk=EnrolmentMark.objects.order_by("pk")[0].pk).update(dirty_since=day(2))

    assert outdated.mark(now=day(3), limit=1) == 0
    assert outdated.mark(now=day(3), limit=2) == 1


def test_each_thing_watched_has_its_share() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    refresh(now=day(2))

    with pytest.raises(IntegrityError, match="each_thing_watched_has_its_share"), transaction.atomic():
        DailyRollup.objects.update(watched=[1, 2], watched_shares=[0.5])


# --- the catalogue ----------------------------------------------------------------------------------------------


def test_every_feature_says_what_it_is() -> None:
    assert len({feature.key for feature in FEATURES}) == len(FEATURES)
    for feature in FEATURES:
        assert feature.name and feature.window and feature.unit and feature.owner and feature.speaks_for
        assert feature.version >= 1 and set(feature.speaks_for) <= {"nudge", "lesson", "manager", "coach"}


def test_no_two_features_have_the_same_name_and_window() -> None:
    assert len({(feature.name, feature.window) for feature in FEATURES}) == len(FEATURES)


def test_the_page_about_features_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "features.md"

    assert page.read_text() == catalogue.page(), "manage.py features --markdown > docs/features.md"


def test_the_command_lists_every_feature(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("features")

    assert len(capsys.readouterr().out.splitlines()) == len(FEATURES) + 1


def test_faults_of_the_last_day_are_a_metric() -> None:
    from config.metrics import render

    now = timezone.now()
    FeatureFault.objects.create(key="pace", version=1, fault="X", first_at=now, last_at=now)
    old = now - timedelta(days=2)
    FeatureFault.objects.create(key="late", version=1, fault="X", first_at=old, last_at=old)

    text = render(now=now)

    assert 'rekindle_feature_faults{fault="X",feature="pace"} 1' in text
    assert "late" not in text
