"""Models in the admin and on the console: cards, the gate's answer, who may ask, and nights that end with a row."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from learners.models import Role
from signals.features.retired import retired_keys
from signals.models import (
    Finding,
    ModelAudit,
    ModelVersion,
    Promotion,
    Risk,
    TrainingRun,
)
from signals.readiness import gains
from signals.risk.live import live_model
from signals.training import audits, cohorts, drift, heldout, nightly, promotion
from signals.training import card as cards
from signals.training.card import Ablation, Bin, Card, Data, FeatureUse, Figure
from signals.training.dataset import NothingToLearnFrom
from tests.support.knowledge import day, enrolled, make_event, risk_of
from tests.support.learners import make_user
from tests.support.promotions import NOW, make_evidence, make_finding, make_version

pytestmark = pytest.mark.django_db
LIST = "admin:signals_modelversion_changelist"
VIEWS = ("drift", "fairness", "features", "back")

CARD = Card(
    data=Data(hash="abc", rows=900, people=300, positives=120, cohorts=("AAA/2013J",), days=(14, 28)),
    features=(FeatureUse("days_inactive", 1, "Days without activity", "Activity", 0.7, 0.1),),
    metrics={"all days": {"auc": Figure(0.8, 0.78, 0.82, 900), "ap": Figure(0.7, 0.66, 0.74, 900)}},
    slices={
        "unit": {
            "North": {"auc": Figure(0.81, n=200)},
            "Tiny": {"auc": Figure(0.5, n=4)},
        }
    },
    calibration=(Bin(0.1, 0.12, 300), Bin(0.8, 0.7, 50)),
    scores=(5, 10, 0),
    ablation=(
        Ablation("Scores", ("mastery",), Figure(0.04), 0.5),
        Ablation("Activity", ("days_inactive",), Figure(0.1), 0.1),
        Ablation("Nothing", ("x",), Figure(-0.01), 0.9),
    ),
    limits=("Learned from one year.",),
)


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(Role.ADMIN))
    return client


def carded(name: str = "boosted-1") -> ModelVersion:
    return make_version(name, kind="boosted", artefact=b"x", card=cards.write(CARD))


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:signals_modelversion_{name}", args=args)


def test_it_lists_models_with_their_state(admin: Client) -> None:
    live_model(now=NOW)
    carded()

    text = admin.get(reverse(LIST)).content.decode()

    assert "composite-1" in text
    assert "Not in use" in text
    assert "0.700 (0.660 to 0.740)" in text


def test_it_shows_a_card_without_groups_that_are_too_small(admin: Client) -> None:
    text = admin.get(page("change", carded().pk)).content.decode()

    assert "Learned from one year." in text
    assert "Said 80%, came true 70% (50)" in text
    assert "North" in text
    assert "Tiny" not in text


def test_it_shows_a_card_of_another_release_as_unreadable(admin: Client) -> None:
    model = make_version(card={"format": 99})

    assert "has format 99" in admin.get(page("change", model.pk)).content.decode()


@pytest.mark.parametrize("name", VIEWS)
def test_it_has_a_page_for_each_question(admin: Client, name: str) -> None:
    assert admin.get(page(name)).status_code == 200


@pytest.mark.parametrize("role", [Role.MANAGER, Role.COACH, Role.LEARNER, Role.REVIEWER])
@pytest.mark.parametrize("name", [*VIEWS, "changelist"])
def test_it_shows_models_to_administrators_only(client: Client, role: Role, name: str) -> None:
    client.force_login(make_user(role))

    assert client.get(page(name)).status_code == 302


def test_it_lets_nobody_edit_or_delete_a_model(admin: Client) -> None:
    model = carded()

    admin.post(page("change", model.pk), {"name": "other", "is_live": "on"})

    assert ModelVersion.objects.get(pk=model.pk).name == "boosted-1"
    assert admin.post(page("delete", model.pk)).status_code == 403


def test_it_asks_the_gate_and_the_stage_answers(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    live_model(now=NOW)
    candidate = make_version()
    monkeypatch.setattr(heldout, "evidence", lambda **_: make_evidence())

    without = admin.post(page("promote", candidate.pk), {"reason": ""})
    admin.post(page("promote", candidate.pk), {"reason": "It is better"})
    admin.post(page("promote", candidate.pk), {"reason": "Twice"})
    waiting = promotion.asked().count()
    answered = nightly.answer_asked(now=NOW)

    assert without.status_code == 200
    assert (waiting, answered, nightly.answer_asked(now=NOW)) == (1, 1, 0)
    row = Promotion.objects.first()
    assert row is not None
    assert (row.outcome, row.reason) == ("promoted", "It is better")
    assert row.by is not None


def test_it_says_why_a_candidate_could_not_be_compared(admin: Client) -> None:
    live_model(now=NOW)
    admin.post(page("promote", make_version().pk), {"reason": "It is better"})

    nightly.answer_asked(now=NOW)

    row = Promotion.objects.first()
    assert row is not None
    assert row.outcome == "refused"
    assert "No run of a course has ended" in row.reason


def test_it_takes_the_live_model_back_from_the_page(admin: Client) -> None:
    live_model(now=NOW)
    promotion.promote(candidate=make_version(), evidence=make_evidence(), now=NOW)

    admin.post(page("back"), {"reason": "It flags everybody"})

    assert live_model(now=NOW).name == "composite-1"


def test_it_begins_and_ends_a_trial_from_the_page(admin: Client) -> None:
    candidate = make_version()

    admin.post(page("shadow", candidate.pk), {"reason": "Try"})
    began = ModelVersion.objects.get(pk=candidate.pk).is_shadow
    admin.post(page("shadow", candidate.pk), {"reason": "Enough"})

    assert (began, ModelVersion.objects.get(pk=candidate.pk).is_shadow) == (True, False)


def test_it_retires_a_feature_and_takes_it_into_use_again(admin: Client) -> None:
    admin.post(page("features"), {"_retire": "1", "key": "mastery", "reason": "Nobody sends scores"})
    retired = retired_keys()
    admin.post(page("features"), {"_restore": "1", "key": "mastery"})

    assert (retired, retired_keys()) == (frozenset({"mastery"}), frozenset())


def test_it_scores_without_a_retired_feature_and_raises_no_risk(admin: Client) -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    admin.post(page("features"), {"_retire": "1", "key": "days_inactive", "reason": "Try"})

    risk = risk_of(enrolment, now=day(20))

    assert isinstance(risk, Risk)
    assert risk.value is None


def test_it_asks_for_fairness_once_and_says_when_too_little_is_known(admin: Client) -> None:
    live_model(now=NOW)

    admin.post(page("fairness"), {"_ask": "1"})
    admin.post(page("fairness"), {"_ask": "1"})
    asked = ModelAudit.objects.count()

    assert (asked, audits.answer(now=NOW), audits.answer(now=NOW)) == (1, 1, 0)
    assert "Too little to tell" in admin.get(page("fairness")).content.decode()


def test_it_acknowledges_a_finding_from_the_page(admin: Client) -> None:
    live = live_model(now=NOW)
    finding = make_finding(live)
    assert "Acknowledge" in admin.get(page("drift")).content.decode()

    admin.post(reverse("call_normal", args=[finding.pk]))

    assert Finding.objects.get().ending == "accepted"


# --- the console -------------------------------------------------------------------------------------------------


def told(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_it_promotes_from_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    live_model(now=NOW)
    make_version()
    monkeypatch.setattr(heldout, "evidence", lambda **_: make_evidence())

    text = told("promote", "candidate", "--because", "It is better")

    assert "“candidate” is live" in text
    assert "“composite-1” is live again" in told("promote", "--rollback", "--because", "It is not")


def test_it_prints_why_the_gate_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    live_model(now=NOW)
    make_version()
    monkeypatch.setattr(heldout, "evidence", lambda **_: make_evidence(better=False))

    with pytest.raises(CommandError, match="refused"):
        told("promote", "candidate")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("promote",), "No model has been trained"),
        (("promote", "nobody"), "There is no model"),
        (("promote", "--rollback"), "Say in a sentence"),
        (("promote", "x", "--rollback"), "neither a name"),
        (("model_card", "nobody"), "There is no model"),
        (("fairness", "--remedy", "reweigh"), "Say which gap"),
        (("fairness",), "No run of a course has ended"),
    ],
)
def test_it_says_what_is_wrong_on_the_console(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        told(*arguments)


def test_it_prints_a_card() -> None:
    carded()

    assert "| all days | 0.800 (0.780 to 0.820) |" in told("model_card", "boosted-1", "--markdown")
    assert "|" not in told("model_card", "boosted-1")


# --- the night ---------------------------------------------------------------------------------------------------


def test_it_keeps_why_a_night_learned_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = NothingToLearnFrom("Nobody was enrolled.")

    def train(**_: Any) -> ModelVersion:
        raise fault

    monkeypatch.setattr(nightly, "train", train)

    run = nightly.run(now=NOW)

    assert (run.outcome, run.says) == ("too_little", "Nobody was enrolled.")


def test_it_ends_a_night_that_broke_with_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(**_: Any) -> ModelVersion:
        raise RuntimeError("broken")

    monkeypatch.setattr(nightly, "train", train)

    run = nightly.run(now=NOW)

    assert run.outcome == "failed"
    assert "RuntimeError" in run.says
    assert TrainingRun.objects.count() == 1


def test_it_lets_the_gate_decide_about_what_a_night_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    live_model(now=NOW)
    monkeypatch.setattr(nightly, "train", lambda **_: make_version())
    monkeypatch.setattr(heldout, "evidence", lambda **_: make_evidence())

    run = nightly.run(now=NOW)

    assert run.outcome == "trained"
    assert "promoted it in the place of “composite-1”" in run.says
    assert live_model(now=NOW).name == "candidate"


def test_it_asks_the_gate_about_a_candidate_of_an_earlier_night(monkeypatch: pytest.MonkeyPatch) -> None:
    live_model(now=NOW)
    candidate = make_version()
    monkeypatch.setattr(nightly, "train", lambda **_: candidate)
    monkeypatch.setattr(heldout, "evidence", lambda **_: make_evidence())

    run = nightly.run(now=NOW)

    assert run.outcome == "same"
    assert live_model(now=NOW) == candidate


def test_it_does_not_ask_the_gate_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    live_model(now=NOW)
    candidate = make_version()
    monkeypatch.setattr(heldout, "evidence", lambda **_: make_evidence(better=False))

    nightly.gate(candidate, now=NOW)
    again = nightly.gate(candidate, now=NOW + timedelta(days=1))

    assert "on the same people" in again
    assert Promotion.objects.count() == 1


def test_it_keeps_the_last_runs_aside_to_compare_on() -> None:
    runs = [cohorts.Run(1, day(number).date(), 300, day(number)) for number in range(6)]

    assert cohorts.held_out(runs) == runs[4:]
    assert cohorts.held_out(runs[:3]) == runs[2:3]
    assert cohorts.held_out(runs[:1]) == []


def test_it_holds_a_run_over_only_when_nearly_everybody_has_ended() -> None:
    first, second = enrolled("person-0001"), enrolled("person-0002")
    type(first).objects.filter(pk=first.pk).update(state="withdrawn", ended_at=day(5))
    half = cohorts.over(now=day(20))
    type(first).objects.filter(pk=second.pk).update(state="completed", ended_at=day(9))

    assert half == []
    assert [(run.people, run.over_at) for run in cohorts.over(now=day(20))] == [(2, day(9))]
    assert cohorts.over(now=day(8)) == []


# --- readiness ---------------------------------------------------------------------------------------------------


def test_it_ranks_missing_signals_by_what_they_would_bring() -> None:
    found = gains.ranked(CARD, {})

    assert [(gain.group, round(gain.expected, 3)) for gain in found] == [("Scores", 0.02), ("Activity", 0.01)]
    assert gains.ranked(CARD, {"mastery": 0.0})[0].group == "Activity"


def test_it_tells_the_most_promising_signal_as_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    carded()
    monkeypatch.setattr(drift, "stability", lambda *_, **__: drift.Stability())

    line = next(gains.missing_signals(NOW))

    assert line.figure.startswith("1. Scores (not known in 50.0%")
    assert "estimate" in line.threshold


def test_it_says_so_where_no_model_tells_what_signals_are_worth() -> None:
    assert "manage.py train" in next(gains.missing_signals(NOW)).mend
