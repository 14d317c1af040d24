"""The composite's weights, edited with the policy: another version, tried first, live and gone with the policy."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import AuditEntry
from interventions.backtest import run
from interventions.models import Policy
from interventions.policy import store, weights
from interventions.policy.document import Document, with_changes
from interventions.policy.trial import routes
from signals.models import ModelVersion, Promotion, Risk
from signals.risk import weights as composites
from signals.risk.live import live_model
from signals.training import promotion
from tests.interventions.test_admin import WEIGHTS, posted
from tests.support.interventions import NOW, make_admin
from tests.support.journey import MONDAY, Journey

pytestmark = pytest.mark.django_db
ON_ACTIVITY = {"mastery": 0.2, "days_inactive": 0.7, "fail_rate": 0.1}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def version(**changes: float) -> ModelVersion:
    parameters = composites.made_of({**ON_ACTIVITY, **changes}, horizon_days=30, min_coverage=0.5)
    return composites.version_with(parameters, now=NOW)


def draft(model: str, **changes: Any) -> Policy:
    return store.draft_from_live(by=None, now=NOW, changes={"model": model, **changes})


def put_in_force(policy: Policy) -> None:
    store.go_live(policy=policy, by=None, now=NOW, reason="Activity tells more here")


class TestAnotherVersion:
    def test_it_is_the_one_that_has_these_numbers_already(self) -> None:
        live_model(now=NOW)
        first = version()

        assert first.name == "composite-2"
        assert version().pk == first.pk
        assert version(mastery=0.3, days_inactive=0.6).name == "composite-3"
        seed = composites.made_of(
            {"mastery": 0.5, "days_inactive": 0.3, "fail_rate": 0.2}, horizon_days=30, min_coverage=0.5
        )
        assert composites.version_with(seed, now=NOW).name == "composite-1"
        assert AuditEntry.objects.filter(action="model.weighted").count() == 2

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"mastery": 0.5}, ""),
            ({"mastery": -0.1, "days_inactive": 1.0}, "mastery"),
            ({"mastery": 0.05, "days_inactive": 0.9, "fail_rate": 0.05}, ""),
        ],
    )
    def test_it_refuses_weights_that_do_not_add_up(self, changes: dict[str, float], field: str) -> None:
        with pytest.raises(composites.UnfitWeights) as refused:
            version(**changes)

        assert [fault.field for fault in refused.value.faults] == [field]
        assert not ModelVersion.objects.exists()

    def test_it_scores_nobody_by_itself(self) -> None:
        made = version()

        assert not made.is_live
        assert live_model(now=NOW).name == "composite-1"


class TestForm:
    def test_it_makes_a_version_that_the_draft_trusts(self, admin: Client) -> None:
        sent = posted(**{"weights-mastery": "0.2", "weights-days_inactive": "0.6"})

        answer = admin.post(reverse("admin:interventions_policy_add"), sent, follow=True)

        made = ModelVersion.objects.get(name="composite-2")
        assert made.parameters["weights"] == {"mastery": 0.2, "days_inactive": 0.6, "fail_rate": 0.2}
        assert store.document(Policy.objects.get(version=2)).model == "composite-2"
        assert "“composite-2” holds these weights" in answer.content.decode()
        # Shown again, the form begins with what the draft trusts.
        assert answer.context["weights"].initial["days_inactive"] == 0.6

    def test_it_makes_none_where_no_weight_was_touched(self, admin: Client) -> None:
        live_model(now=NOW)

        admin.post(reverse("admin:interventions_policy_add"), posted(bands__medium="0.5"))

        assert list(ModelVersion.objects.values_list("name", flat=True)) == ["composite-1"]
        assert store.document(Policy.objects.get(version=2)).model == "live"

    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            ({"weights-mastery": "0.6"}, "The weights add up to 1.1; together they are 1."),
            ({"weights-horizon_days": "1"}, "Between 7 and 180."),
            ({"weights-fail_rate": "much"}, "Enter a number."),
        ],
    )
    def test_it_marks_what_does_not_fit_and_keeps_nothing(
        self, admin: Client, sent: dict[str, str], told: str
    ) -> None:
        live_model(now=NOW)

        answer = admin.post(reverse("admin:interventions_policy_add"), posted(**sent))

        assert told in answer.content.decode()
        assert Policy.objects.count() == 1
        assert ModelVersion.objects.count() == 1
        assert WEIGHTS["weights-mastery"] == 0.5


class TestInForce:
    def test_it_needs_a_second_yes(self) -> None:
        live_model(now=NOW)
        made = draft(version().name)

        with pytest.raises(store.NeedsSecondYes):
            store.go_live(policy=made, by=uuid4(), now=NOW, reason="Activity tells more here")

        assert live_model(now=NOW).name == "composite-1"

    def test_it_scores_once_the_policy_is_in_force_and_no_longer_after_the_way_back(self) -> None:
        live_model(now=NOW)
        put_in_force(draft(version().name))

        row = Promotion.objects.get()
        assert live_model(now=NOW).name == "composite-2"
        assert (row.candidate.name, row.reason) == (
            "composite-2",
            "Policy 2 came into force with these weights.",
        )

        store.roll_back(to_version=1, by=None, now=NOW + timedelta(hours=1), reason="Too loud")

        assert live_model(now=NOW).name == "composite-1"
        assert store.document(store.live()).model == "live"

    def test_it_changes_no_model_with_a_policy_that_names_none(self) -> None:
        live_model(now=NOW)
        put_in_force(draft(version().name))

        put_in_force(store.draft_from_live(by=None, now=NOW, changes={"model": "live"}))

        assert live_model(now=NOW).name == "composite-2"

    def test_it_replaces_no_learned_model(self) -> None:
        ModelVersion.objects.create(name="boosted-7", kind="boosted", is_live=True, created_at=NOW)

        put_in_force(draft(version().name))

        assert live_model(now=NOW).name == "boosted-7"
        assert not Promotion.objects.exists()
        with pytest.raises(promotion.NotFit):
            promotion.with_policy(candidate=version(), version=2, now=NOW)

    def test_it_stays_as_it_was_where_the_policy_does_not_come_into_force(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live_model(now=NOW)
        made = draft(version().name)

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the log is full")

        monkeypatch.setattr(store, "_audit", broken)
        with pytest.raises(RuntimeError):
            put_in_force(made)

        assert live_model(now=NOW).name == "composite-1"


class TestTriedFirst:
    @pytest.mark.slow
    def test_it_computes_the_risk_anew_in_preview_and_on_one_learner(self) -> None:
        """Eighteen days of silence weigh little under the seed's weights, and much where only activity counts."""
        silent = {
            "triggers.inactivity.enabled": False,
            "triggers.mastery.enabled": False,
            "bands.medium": 0.3,
        }
        put_in_force(store.draft_from_live(by=None, now=NOW, changes=silent))
        journey = Journey()
        journey.send(
            *(
                journey.statement("passed", at=MONDAY + timedelta(hours=n), score={"scaled": 0.95})
                for n in range(5)
            )
        )
        for _ in range(18):
            journey.tick(days=1)
        live = store.live()
        heavy = draft(version(mastery=0.1, days_inactive=0.8, fail_rate=0.1).name)
        span = run.span_of(MONDAY.date(), (MONDAY + timedelta(days=58)).date())
        base, other = (run.Side(one.version, store.document(one)) for one in (live, heavy))

        unweighed = run.backtest(span=span, base=base, other=base, reproduce=False).told["choices"]
        weighed = run.backtest(span=span, base=base, other=other, reproduce=False).told["choices"]
        here, there = routes(journey.enrolment, [live, heavy], now=journey.now)

        risk = Risk.objects.get()
        assert risk.value is not None
        assert risk.value < 0.3
        assert unweighed["differ"] == 0
        assert weighed["differ"] > 0
        assert (here.action, there.action) == ("Keep watching", "Nudge")
        assert there.why[0].startswith("Trigger: Risk above")

    def test_it_computes_nothing_anew_for_a_policy_that_names_no_composite(self) -> None:
        found = weights.trusted_by(with_changes(Document(), {"model": version().name}))

        assert weights.trusted_by(Document()) is None
        assert weights.trusted_by(with_changes(Document(), {"model": "boosted-7"})) is None
        assert found is not None
        assert found.parameters.weights["days_inactive"] == 0.7
