"""Scoring with a learned model: what is unknown, what adds up, and what happens when it cannot be used."""

from collections.abc import Mapping
from datetime import timedelta
from math import exp, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.features.refresh import refresh, refresh_enrolments
from signals.models import Finding, ModelFault, ModelVersion, Promotion, Risk
from signals.quality.alerts import messages
from signals.risk import learned, live
from signals.risk.composite import Assessed
from signals.risk.known import Known
from signals.risk.learned import UnusableModel
from signals.risk.score import live_model
from signals.risk.weighing import Weigher, matrix
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.models import Additive, make_version

NOW = day(20)
WEIGHTS = {"mastery": -3.0, "days_inactive": 0.1, "fail_rate": 1.0, "missing": 0.5, "started_at": 0.0}
KNOWN: dict[str, Any] = {
    "mastery": 0.5,
    "days_inactive": 10.0,
    "fail_rate": 0.25,
    "missing": 1,
    "pace": 0.5,
    "last_active_at": day(10).isoformat(),
    "started_at": day(0).isoformat(),
}


def assessed(model: Additive | None = None, **features: Any) -> Assessed:
    model = model or Additive(WEIGHTS, base=0.2)
    row = Known(1, {**KNOWN, **features}, "Safety", NOW, 1)
    return Weigher(model, model.importance, counts={"missing"}).assess([row])[0]


def log_odds(risk: Assessed) -> float:
    assert risk.base is not None
    return risk.base + sum(reason["contribution"] for reason in risk.reasons)


def test_its_contributions_add_up_to_the_log_odds_of_the_risk() -> None:
    risk = assessed()

    assert risk.value == pytest.approx(1 / (1 + exp(-(0.2 - 1.5 + 1.0 + 0.25 + 0.5))))
    assert risk.value is not None
    assert log_odds(risk) == pytest.approx(log(risk.value / (1 - risk.value)), abs=1e-6)
    for reason in risk.reasons:
        assert sum(reason["features"].values()) == pytest.approx(reason["contribution"], abs=1e-3)


def test_it_keeps_the_loudest_features_by_name_and_all_in_the_sum() -> None:
    model = Additive({f"amount_{days}": days / 100 for days in range(1, 31)})

    risk = assessed(model, **{key: 1.0 for key in model.keys})

    (activity,) = risk.reasons
    assert list(activity["features"]) == [f"amount_{days}" for days in range(30, 22, -1)]
    assert activity["contribution"] == pytest.approx(sum(range(1, 31)) / 100)


maybe = st.none() | st.floats(0, 50)


@given(st.lists(maybe, min_size=4, max_size=4), st.floats(-3, 3))
def test_an_unknown_never_raises_it(values: list[float | None], gap: float) -> None:
    model = Additive(WEIGHTS, unknown=gap)
    features = dict(zip(("mastery", "days_inactive", "fail_rate", "missing"), values, strict=True))

    risk = assessed(model, **features)

    for reason in risk.reasons:
        for key, contribution in reason["features"].items():
            assert features.get(key) is not None or contribution <= 0
    told = model.score(matrix([{**KNOWN, **features}], model.keys)).probability[0]
    assert risk.value is None or risk.value <= told + 1e-9


def test_it_abstains_where_less_than_half_of_its_weight_is_known() -> None:
    risk = assessed(mastery=None)

    assert risk.value is None
    assert risk.coverage == pytest.approx(1.6 / 4.6)
    assert risk.reasons


def test_it_answers_where_half_of_its_weight_is_known() -> None:
    model = Additive({"mastery": -1.0, "days_inactive": 1.0})

    risk = assessed(model, mastery=None)

    assert (risk.coverage, risk.value is None) == (0.5, False)


def test_it_counts_signals_rather_than_features() -> None:
    assert assessed().known_signals == 3  # results, activity, plan
    assert assessed(mastery=None, fail_rate=None).known_signals == 2


def test_it_does_not_count_what_somebody_is() -> None:
    model = Additive({"mastery": -1.0, "days_inactive": 0.1, "role_impact_level": 0.1})

    assert assessed(model, role_impact_level=2).known_signals == 2


def test_a_count_of_nothing_alone_makes_no_signal_known() -> None:
    model = Additive({"mastery": -1.0, "missing": 0.1, "pace": -0.1})

    risk = assessed(model, missing=0, pace=None)

    assert risk.known_signals == 1


@pytest.mark.parametrize("value", ["2026-01-05", [1], float("nan"), float("inf")])
def test_it_takes_what_is_no_number_for_unknown(value: Any) -> None:
    risk = assessed(mastery=value)

    assert risk.coverage == pytest.approx(1.6 / 4.6)


def test_it_takes_a_feature_that_is_not_there_for_unknown() -> None:
    model = Additive({**WEIGHTS, "invented": 1.0})

    assert assessed(model).coverage == pytest.approx(4.6 / 5.6)


def test_it_refuses_a_model_whose_contributions_do_not_add_up() -> None:
    with pytest.raises(UnusableModel, match="add up"):
        assessed(Additive(WEIGHTS, off_by=0.5))


def test_it_gives_the_same_whatever_else_is_in_the_batch() -> None:
    model = Additive(WEIGHTS, base=0.2)
    rows = [Known(n, {**KNOWN, "days_inactive": n / 7}, "Safety", NOW, 1) for n in range(50)]
    weigher = Weigher(model, model.importance)

    together = weigher.assess(rows)

    assert together == [weigher.assess([row])[0] for row in rows]


# --- which model scores -----------------------------------------------------------------------------------------


class Shelf(dict[bytes, Additive | Exception]):
    """Artefact → the model in it, or why there is none; and what was read."""

    def __init__(self) -> None:
        super().__init__({b"artefact": Additive(WEIGHTS)})
        self.read: list[bytes] = []


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    known = Shelf()

    def load(artefact: bytes, *, feature_versions: Mapping[str, int]) -> Additive:
        known.read.append(artefact)
        found = known[artefact]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(learned, "load", load)
    return known


def scored_once() -> Any:
    """An enrolment that the composite has scored."""
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_result(enrolment, day(1), scaled=0.2)
    refresh(now=day(2))
    return enrolment


@pytest.mark.django_db
def test_it_scores_with_the_learned_model_that_is_live(models: Shelf) -> None:
    enrolment = scored_once()
    make_version("logistic-1", now=NOW, is_live=True)

    refresh_enrolments([enrolment.pk], now=NOW)

    risk = Risk.objects.select_related("model_version").get(pk=enrolment.pk)
    assert risk.model_version.name == "logistic-1"
    assert risk.value is not None and risk.base == 0
    assert risk.base + sum(r["contribution"] for r in risk.reasons) == pytest.approx(
        log(risk.value / (1 - risk.value)), abs=1e-6
    )
    assert not ModelFault.objects.exists()


@pytest.mark.django_db
def test_it_reads_an_artefact_once(models: Shelf) -> None:
    enrolment = scored_once()
    make_version("logistic-1", now=NOW, is_live=True)

    for hours in range(3):
        refresh_enrolments([enrolment.pk], now=NOW + timedelta(hours=hours))

    assert models.read == [b"artefact"]


@pytest.mark.django_db
def test_it_takes_a_model_back_at_once(models: Shelf) -> None:
    enrolment = scored_once()
    make_version("logistic-1", now=NOW, is_live=True)
    refresh_enrolments([enrolment.pk], now=NOW)
    ModelVersion.objects.update(is_live=False)
    ModelVersion.objects.filter(name="composite-1").update(is_live=True)

    refresh_enrolments([enrolment.pk], now=NOW)

    risk = Risk.objects.select_related("model_version").get(pk=enrolment.pk)
    assert (risk.model_version.name, risk.base) == ("composite-1", None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fault", [UnusableModel("Format 2 is not known here."), ValueError("bad JSON"), KeyError("trees")]
)
def test_scoring_goes_on_with_the_last_good_model(models: Shelf, fault: Exception) -> None:
    enrolment = scored_once()
    good = make_version("logistic-1", now=NOW, is_live=True)
    refresh_enrolments([enrolment.pk], now=NOW)
    models[b"other release"] = fault
    bad = make_version("logistic-2", now=NOW, is_live=True, artefact=b"other release")
    Promotion.objects.create(
        candidate=bad, replaced=good, at=NOW, outcome="promoted", reason="It was better."
    )

    refresh_enrolments([enrolment.pk], now=NOW + timedelta(days=1))

    assert Risk.objects.get(pk=enrolment.pk).model_version == good
    told = ModelFault.objects.get()
    assert (told.version, told.scored_with, told.over_at) == (bad, "logistic-1", None)
    assert told.says


@pytest.mark.django_db
def test_what_was_taken_back_stands_in_for_nobody(models: Shelf) -> None:
    enrolment = scored_once()
    wrong = make_version("logistic-1", now=NOW, taken_back_at=NOW)
    models[b"other release"] = UnusableModel("Other release.")
    bad = make_version("logistic-2", now=NOW, is_live=True, artefact=b"other release")
    Promotion.objects.create(
        candidate=bad, replaced=wrong, at=NOW, outcome="promoted", reason="It was better."
    )

    refresh_enrolments([enrolment.pk], now=NOW)

    assert Risk.objects.get(pk=enrolment.pk).model_version.name == "composite-1"


@pytest.mark.django_db
def test_a_model_that_cannot_be_used_is_mailed_once_and_until_it_is_over(models: Shelf) -> None:
    enrolment = scored_once()
    models[b"artefact"] = UnusableModel("Other release.")
    version = make_version("logistic-1", now=NOW, is_live=True)

    for hours in range(2):
        refresh_enrolments([enrolment.pk], now=NOW + timedelta(hours=hours))
    mails = messages(list(Finding.objects.select_related("model")), ["admin@works.example"])
    models[b"artefact"] = Additive(WEIGHTS)
    live._ready.pop(version.pk)  # as a new process begins
    refresh_enrolments([enrolment.pk], now=NOW + timedelta(hours=3))

    assert [mail.subject for mail in mails] == [
        "Rekindle data quality: Model logistic-1: the live model cannot be used"
    ]
    assert "“composite-1” scores in its place" in str(mails[0].body)
    assert Finding.objects.get().ending == "recovered"


@pytest.mark.django_db
def test_scoring_goes_on_with_the_composite_where_nothing_else_is_left(models: Shelf) -> None:
    enrolment = enrolled()
    make_result(enrolment, day(1), scaled=0.2)
    make_version("logistic-1", now=NOW, is_live=True, artefact=None)

    refresh(now=NOW)
    refresh_enrolments([enrolment.pk], now=NOW)

    assert Risk.objects.get(pk=enrolment.pk).model_version.name == "composite-1"
    assert ModelFault.objects.get().says.startswith("logistic-1 has no artefact")


@pytest.mark.django_db
def test_scoring_goes_on_where_a_model_breaks_at_work(models: Shelf) -> None:
    enrolment = scored_once()
    models[b"artefact"] = Additive(WEIGHTS, off_by=1.0)
    make_version("logistic-1", now=NOW, is_live=True)

    refresh_enrolments([enrolment.pk], now=NOW)

    assert Risk.objects.get(pk=enrolment.pk).model_version.name == "composite-1"
    assert live.open_faults().count() == 1


@pytest.mark.django_db
def test_a_fault_is_over_when_the_model_can_be_read_again(models: Shelf) -> None:
    enrolment = scored_once()
    models[b"artefact"] = UnusableModel("Other release.")
    version = make_version("logistic-1", now=NOW, is_live=True)
    refresh_enrolments([enrolment.pk], now=NOW)
    assert live.open_faults().exists()
    models[b"artefact"] = Additive(WEIGHTS)
    live._ready.pop(version.pk)  # as a new process begins

    refresh_enrolments([enrolment.pk], now=NOW + timedelta(hours=1))

    assert not live.open_faults().exists()
    assert Risk.objects.get(pk=enrolment.pk).model_version == version


@pytest.mark.django_db
def test_the_live_model_is_read_without_its_artefact() -> None:
    live_model(now=NOW)

    assert "artefact" in live_model(now=NOW).get_deferred_fields()
