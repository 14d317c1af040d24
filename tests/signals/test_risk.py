"""The composite risk: its arithmetic, what an unknown does to it, when to look again, and its words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from learners.models import Enrolment
from signals.features.refresh import refresh, refresh_enrolments
from signals.models import ModelVersion, Risk, RiskChange
from signals.risk import reasons
from signals.risk.composite import Assessed, Parameters, assess, moved
from signals.risk.score import live_model
from tests.support.knowledge import day, enrolled, make_event, make_result, risk_of

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
SEED = Parameters.read({})
KNOWN: dict[str, Any] = {
    "mastery": 0.4,
    "days_inactive": 15.0,
    "fail_rate": 0.5,
    "failures_in_a_row": 2,
    "results": 4,
    "last_active_at": "2026-11-03T08:00:00+00:00",
    "started_at": "2026-10-01T00:00:00+00:00",
    "last_result_at": "2026-11-01T08:00:00+00:00",
}


def assessed(**features: Any) -> Assessed:
    return assess({**KNOWN, **features}, SEED, as_of=NOW, course="Safety")


def test_it_is_the_seed_formula() -> None:
    risk = assessed()

    assert risk.value == pytest.approx(0.5 * 0.6 + 0.3 * 0.5 + 0.2 * 0.5)
    assert (risk.coverage, risk.known_signals) == (1, 3)


def test_it_goes_by_answers_to_questions_where_they_make_mastery_known() -> None:
    risk = assessed(mastery_mean=0.8, mastery_weakest=0.1)

    assert risk.value == pytest.approx(0.5 * 0.2 + 0.3 * 0.5 + 0.2 * 0.5)
    (evidence,) = [one["evidence"] for one in risk.reasons if one["feature"] == "mastery"]
    assert (evidence["mastery"], evidence["mastery_from"]) == (0.8, "answers")


def test_it_scales_the_known_weights_up_when_something_is_unknown() -> None:
    risk = assessed(fail_rate=None)

    assert risk.value == pytest.approx((0.5 * 0.6 + 0.3 * 0.5) / 0.8)
    assert (risk.coverage, risk.known_signals) == (0.8, 2)


def test_it_abstains_below_half_the_weight() -> None:
    risk = assessed(mastery=None, fail_rate=None)

    assert (risk.value, risk.coverage, risk.known_signals) == (None, 0.3, 1)


def test_it_answers_at_exactly_half_the_weight() -> None:
    assert assessed(days_inactive=None, fail_rate=None).value == pytest.approx(0.6)
    assert assessed(mastery=None).value == pytest.approx(0.5)


def test_it_abstains_when_nothing_is_known() -> None:
    risk = assessed(mastery=None, fail_rate=None, days_inactive=None)

    assert (risk.value, risk.coverage) == (None, 0)


def test_it_is_exact_at_a_bound() -> None:
    assert assessed(mastery=0.3, days_inactive=30.0, fail_rate=0.5).value == 0.75
    assert assessed(mastery=0.9, days_inactive=30.0, fail_rate=0.5).value == 0.45


shares = st.none() | st.floats(0, 1)


@given(shares, st.none() | st.floats(0, 400), shares)
def test_it_is_a_share_that_its_reasons_add_up_to(mastery: Any, inactive: Any, failed: Any) -> None:
    risk = assessed(mastery=mastery, days_inactive=inactive, fail_rate=failed)

    if risk.value is not None:
        assert 0 <= risk.value <= 1
        assert sum(reason["contribution"] for reason in risk.reasons) == pytest.approx(risk.value, abs=1e-8)
    assert 0 <= risk.coverage <= 1
    assert len(risk.reasons) == 3


@given(st.floats(0, 1), st.floats(0, 60), st.floats(0, 1))
def test_an_unknown_never_raises_it_above_the_worst_that_is_known(
    mastery: float, inactive: float, failed: float
) -> None:
    worst = max(1 - mastery, min(inactive / 30, 1), failed)
    for hidden in ("mastery", "days_inactive", "fail_rate"):
        known = {"mastery": mastery, "days_inactive": inactive, "fail_rate": failed, hidden: None}
        value = assessed(**known).value

        assert value is None or value <= worst + 1e-9


def test_it_looks_again_when_inactivity_alone_has_moved_it_by_a_twentieth() -> None:
    risk = assessed(days_inactive=0.0)

    assert risk.review_at == NOW + timedelta(days=5)
    later = assessed(days_inactive=5.0)
    assert later.value is not None and risk.value is not None
    assert later.value - risk.value == pytest.approx(0.05)


def test_it_looks_again_for_the_last_time_when_inactivity_is_full() -> None:
    assert assessed(days_inactive=28.0).review_at == NOW + timedelta(days=2)
    assert assessed(days_inactive=30.0).review_at is None


def test_it_looks_again_when_a_due_date_passes() -> None:
    risk = assessed(days_inactive=30.0, next_due_at="2026-11-12T23:59:59+00:00")

    assert risk.review_at == datetime(2026, 11, 13, tzinfo=UTC)


def test_a_move_is_a_twentieth_or_becoming_known() -> None:
    assert moved(0.4, 0.45) and moved(None, 0.1) and moved(0.1, None)
    assert not moved(0.4, 0.449) and not moved(None, None)


def test_it_says_what_was_seen_in_plain_sentences() -> None:
    assert reasons.sentences(assessed().reasons) == [
        "The last scores in Safety leave room to grow.",
        "No activity in Safety since 3 November.",
        "The last two scores were below the pass mark.",
    ]
    assert reasons.missing(assessed().reasons) == []


def test_it_says_so_in_german_too() -> None:
    assert reasons.sentences(assessed().reasons, "de-DE")[1:] == [
        "Keine Aktivität in Safety seit dem 3. November.",
        "Die letzten zwei Ergebnisse lagen unter der Bestehensgrenze.",
    ]


def test_it_says_that_somebody_has_not_begun() -> None:
    risk = assessed(mastery=None, fail_rate=None, last_active_at=None, days_inactive=40.0)

    assert reasons.sentences(risk.reasons) == ["No activity in Safety since it began on 1 October."]
    assert reasons.missing(risk.reasons) == [
        "2 of 3 signals are not known: passed and not passed tests, scores."
    ]


def test_its_words_never_judge() -> None:
    for language in ("en", "de"):
        text = " ".join(reasons.sentences(assessed().reasons, language)).lower()
        for word in ("risk", "risiko", "fail", "durchgefallen", "0.", "%"):
            assert word not in text


@pytest.mark.django_db
def test_it_stores_the_risk_with_its_reasons_and_model() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_result(enrolment, day(1), scaled=0.2)

    risk = risk_of(enrolment, now=day(16))

    assert risk.value == pytest.approx(0.5 * 0.8 + 0.3 * 0.5 + 0.2)
    assert risk.model_version.name == "composite-1"
    assert risk.as_of == risk.unread_since == day(16)
    assert risk.reasons[0]["evidence"]["course"] == enrolment.course.name
    change = RiskChange.objects.get()
    assert (change.before, change.after) == (None, risk.value)


@pytest.mark.django_db
def test_it_notes_a_change_only_when_it_moved() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(1), scaled=0.5)
    refresh(now=day(1))

    refresh_enrolments([enrolment.pk], now=day(2))
    assert RiskChange.objects.count() == 1

    make_result(enrolment, day(2), scaled=0.0)
    refresh(now=day(2))
    assert RiskChange.objects.count() == 2


@pytest.mark.django_db
def test_it_takes_its_parameters_from_the_live_model() -> None:
    assert live_model(now=NOW) == live_model(now=NOW)
    ModelVersion.objects.update(is_live=False)
    ModelVersion.objects.create(
        name="composite-2", kind="composite", parameters={"min_coverage": 0.9}, is_live=True, created_at=NOW
    )
    enrolment = enrolled()
    make_result(enrolment, day(20), success=True)

    risk = risk_of(enrolment, now=day(21))

    assert (risk.model_version.name, risk.value) == ("composite-2", None)


@pytest.mark.django_db
def test_only_one_model_is_live() -> None:
    live_model(now=NOW)

    with pytest.raises(IntegrityError, match="one_model_is_live"), transaction.atomic():
        ModelVersion.objects.create(name="other", kind="composite", is_live=True, created_at=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "name"),
    [("value", 1.01, "a_risk_is_a_share"), ("coverage", -0.1, "coverage_is_a_share")],
)
def test_the_database_refuses_what_is_no_share(field: str, value: float, name: str) -> None:
    enrolment: Enrolment = enrolled()
    refresh(now=day(1))

    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Risk.objects.filter(pk=enrolment.pk).update(**{field: value})
