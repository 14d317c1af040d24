"""Labels: recorded once, never early, and a rule of its own for those whom nobody treated."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from learners.models import Enrolment
from signals import labels
from signals.models import Label, RiskChange
from signals.risk.score import live_model
from tests.support.knowledge import day, enrolled

pytestmark = pytest.mark.django_db


def record(enrolment: Enrolment, **more: Any) -> bool:
    return labels.record(
        **{
            "enrolment_id": enrolment.pk,
            "as_of": day(0),
            "definition": "recovered_14d@1",
            "value": True,
            "horizon_days": 14,
            "treated": True,
            "propensity": 0.5,
            "now": day(14),
            **more,
        }
    )


def change(enrolment: Enrolment, at: datetime, before: float | None, after: float | None) -> None:
    RiskChange.objects.create(
        enrolment=enrolment, before=before, after=after, at=at, model_version=live_model(now=at)
    )


def test_it_records_a_label_once() -> None:
    enrolment = enrolled()

    assert record(enrolment)
    assert not record(enrolment, value=False)

    assert Label.objects.get().value is True


def test_it_refuses_a_date_ahead() -> None:
    with pytest.raises(labels.LabelTooEarly):
        record(enrolled(), as_of=day(15), value=None)


def test_it_refuses_to_judge_before_the_horizon() -> None:
    enrolment = enrolled()

    with pytest.raises(labels.LabelTooEarly):
        record(enrolment, now=day(14) - timedelta(seconds=1))

    assert record(enrolment, now=day(3), value=None)  # censored: nothing more will be seen


def test_it_refuses_a_definition_nobody_wrote() -> None:
    with pytest.raises(labels.UnknownDefinition, match="recovered_14d@1"):
        record(enrolled(), definition="recovered_14d@9")
    with pytest.raises(labels.UnknownDefinition, match="14 days"):
        record(enrolled("person-0002"), horizon_days=7)


def test_each_definition_says_what_it_means() -> None:
    assert {definition.name for definition in labels.DEFINITIONS.values()} >= {
        "pass_30d",
        "recovered_14d",
        "skill_gain_10pt",
        "next_course_45d",
        "accepted_and_passed",
    }
    assert all(d.question and d.censoring and d.rationale for d in labels.DEFINITIONS.values())


def test_the_untreated_recover_when_their_risk_falls_within_the_horizon() -> None:
    enrolment = enrolled()
    change(enrolment, day(1), None, 0.6)
    change(enrolment, day(10), 0.6, 0.2)

    assert labels.untreated(now=day(29)) == 1

    label = Label.objects.get(definition="recovered_14d@1")
    assert (label.value, label.treated, label.as_of) == (True, False, day(1))
    assert labels.untreated(now=day(29)) == 0


def test_the_untreated_have_not_recovered_when_it_falls_too_late() -> None:
    enrolment = enrolled()
    change(enrolment, day(1), 0.3, 0.6)
    change(enrolment, day(16), 0.6, 0.2)

    labels.untreated(now=day(70))

    assert dict(Label.objects.values_list("definition", "value")) == {
        "recovered_14d@1": False,
        "pass_30d@1": False,
    }


def test_the_untreated_are_censored_when_they_left() -> None:
    enrolment = enrolled()
    change(enrolment, day(1), None, 0.6)
    Enrolment.objects.filter(pk=enrolment.pk).update(state="withdrawn", ended_at=day(5))

    labels.untreated(now=day(29))

    assert Label.objects.get().value is None


def test_the_untreated_pass_when_they_complete_in_time() -> None:
    enrolment = enrolled()
    change(enrolment, day(1), None, 0.6)
    Enrolment.objects.filter(pk=enrolment.pk).update(state="completed", ended_at=day(20))

    labels.untreated(now=day(61))

    assert Label.objects.get(definition="pass_30d@1").value is True


def test_it_waits_until_a_treatment_would_have_reported() -> None:
    change(enrolled(), day(1), None, 0.6)

    assert labels.untreated(now=day(28)) == 0


def test_it_leaves_those_alone_whom_somebody_treated() -> None:
    enrolment = enrolled()
    change(enrolment, day(1), None, 0.6)
    record(enrolment, as_of=day(2), now=day(20))

    assert labels.untreated(now=day(29)) == 0


def test_it_makes_no_label_of_a_risk_that_did_not_rise() -> None:
    enrolment = enrolled()
    change(enrolment, day(1), 0.5, 0.6)
    change(enrolment, day(2), 0.2, 0.45)

    assert labels.untreated(now=day(40)) == 0


@pytest.mark.parametrize("propensity", [0.0, 1.5])
def test_the_database_refuses_a_propensity_that_is_no_positive_share(propensity: float) -> None:
    with pytest.raises(IntegrityError, match="a_propensity_is_a_positive_share"), transaction.atomic():
        record(enrolled(), propensity=propensity)


def test_the_database_keeps_one_label_per_date_and_definition() -> None:
    record(enrolled())
    label = Label.objects.get()
    label.pk = None

    with pytest.raises(IntegrityError, match="one_label_per_date_and_definition"), transaction.atomic():
        label.save(force_insert=True)
