"""A model on trial: scored beside the live one, failing alone, and people asked where the two disagree."""

from datetime import timedelta
from typing import Any

import pytest

from learners.models import Enrolment
from signals import second_looks
from signals.features.refresh import refresh
from signals.models import ModelVersion, Risk, SecondLook, ShadowRisk
from signals.risk import disagreements, live, shadow
from signals.risk.known import Known
from signals.risk.live import live_model
from signals.training import promotion
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.promotions import NOW, make_version

pytestmark = pytest.mark.django_db

# Looks at activity alone, where the live model looks at scores too.
ONLY_ACTIVITY = {"weights": {"mastery": 0.0, "days_inactive": 1.0, "fail_rate": 0.0}, "min_coverage": 0.1}


def on_trial(**fields: Any) -> ModelVersion:
    live_model(now=NOW)
    version = make_version("trial", **{"parameters": ONLY_ACTIVITY, **fields})
    promotion.to_shadow(candidate=version, because="Try it", now=NOW)
    return version


def struggling(name: str = "person-0001") -> Enrolment:
    """Somebody who came today and fails everything: 0.7 for the live model, 0 for the one on trial."""
    enrolment = enrolled(name)
    make_event(enrolment, day(10))
    for _ in range(3):
        make_result(enrolment, day(10), scaled=0.0, success=False)
    return enrolment


def test_it_scores_what_is_refreshed_beside_the_live_model() -> None:
    version = on_trial()
    enrolment = struggling()

    refresh(now=day(10) + timedelta(hours=1))

    row = ShadowRisk.objects.get(pk=enrolment.pk)
    risk = Risk.objects.get(pk=enrolment.pk)
    assert row.model_version == version
    assert row.live_value == risk.value
    assert risk.model_version.name == "composite-1"
    assert row.value is not None
    assert row.value < 0.05
    assert risk.value is not None
    assert risk.value > 0.6


def test_it_scores_nothing_where_none_is_on_trial() -> None:
    struggling()

    refresh(now=day(11))

    assert not ShadowRisk.objects.exists()


def test_it_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    version = on_trial(kind="boosted", artefact=b"broken")
    enrolment = struggling()

    refresh(now=day(11))

    assert Risk.objects.filter(pk=enrolment.pk).exists()
    assert not ShadowRisk.objects.exists()
    assert shadow.fault(version) == "UnusableModel"


def test_it_undoes_what_a_failing_trial_had_written(monkeypatch: pytest.MonkeyPatch) -> None:
    on_trial()
    enrolment = struggling()

    def breaks(*args: Any, **kwargs: Any) -> None:
        Risk.objects.update(value=0.123)
        raise RuntimeError("in the middle")

    monkeypatch.setattr(shadow, "_write", breaks)

    refresh(now=day(11))

    assert Risk.objects.get(pk=enrolment.pk).value != 0.123


def test_it_does_not_try_a_broken_trial_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    on_trial(kind="boosted", artefact=b"broken")
    struggling()
    refresh(now=day(11))
    tries: list[int] = []
    monkeypatch.setattr(live, "scorer", lambda *args, **kwargs: tries.append(1))
    monkeypatch.setattr(shadow, "score", shadow.score)

    shadow.score([Known(1, {}, "", NOW, 0)], now=NOW)

    assert not tries


def test_it_lets_go_of_a_trial_that_is_over() -> None:
    version = on_trial()
    struggling()
    refresh(now=day(11))

    promotion.out_of_shadow(candidate=version, because="Enough", now=NOW)

    assert shadow.sweep(now=NOW) == 1
    assert shadow.sweep(now=NOW) == 0


def test_it_forgets_those_who_are_no_longer_scored() -> None:
    on_trial()
    enrolment = struggling()
    refresh(now=day(11))
    Enrolment.objects.filter(pk=enrolment.pk).update(state="withdrawn", ended_at=day(11))
    make_event(enrolment, day(12))

    refresh(now=day(12))

    assert not ShadowRisk.objects.exists()


# --- disagreements ---------------------------------------------------------------------------------------------


def test_it_asks_people_where_the_two_disagree_within_a_weekly_budget() -> None:
    on_trial()
    for number in range(4):
        struggling(f"person-{number:04}")
    refresh(now=day(11))

    first = disagreements.ask_people(now=day(11), per_week=3)
    again = disagreements.ask_people(now=day(12), per_week=3)
    next_week = disagreements.ask_people(now=day(11) + timedelta(days=7, minutes=-1), per_week=3)

    assert (first, again, next_week) == (3, 0, 0)
    assert SecondLook.objects.filter(kind="disagreement").count() == 3
    assert SecondLook.objects.filter(chance=0.75).count() == 3


def test_it_asks_nobody_where_they_agree() -> None:
    on_trial(parameters={})
    struggling()
    refresh(now=day(11))

    assert disagreements.ask_people(now=day(11)) == 0


def test_it_asks_where_only_the_band_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    on_trial()
    struggling()
    refresh(now=day(11))
    ShadowRisk.objects.update(value=0.74, live_value=0.76)

    monkeypatch.setattr(disagreements, "_bounds", [])
    without = disagreements.ask_people(now=day(11))
    monkeypatch.setattr(disagreements, "_bounds", [lambda: (0.45, 0.75)])

    assert (without, disagreements.ask_people(now=day(11))) == (0, 1)


def test_it_knows_the_bounds_of_the_policy_in_force() -> None:
    found = {bound for bounds in disagreements._bounds for bound in bounds()}

    assert found == {0.45, 0.75}


def test_it_counts_who_was_right() -> None:
    version = on_trial()
    struggling()
    refresh(now=day(11))
    disagreements.ask_people(now=day(11))
    look = SecondLook.objects.get()

    second_looks.answer(look=look, says="needs_help", by=look.pk, now=day(12))

    tally = disagreements.tally(version)
    assert (tally.asked, tally.answered, tally.shadow_right, tally.live_right) == (1, 1, 0, 1)
    assert promotion.around(version).looked == 1


def test_it_keeps_what_a_person_was_asked_about_as_it_was() -> None:
    on_trial()
    enrolment = struggling()
    refresh(now=day(11))
    disagreements.ask_people(now=day(11))
    before = ShadowRisk.objects.get(pk=enrolment.pk).value
    make_event(enrolment, day(12))

    refresh(now=day(25))

    assert ShadowRisk.objects.get(pk=enrolment.pk).value == before
