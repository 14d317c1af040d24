"""Promotion as rows: one becomes live, one row takes it back, two at once do not both win."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from consent.models import AuditEntry
from interventions.policy import store
from signals import trust
from signals.features.refresh import refresh
from signals.features.retired import retire
from signals.models import Finding, ModelVersion, Promotion, Risk
from signals.risk import rescore
from signals.risk.score import live_model
from signals.training import promotion
from tests.support.knowledge import day, enrolled, make_event
from tests.support.promotions import NOW, live_by_rows, make_evidence, make_finding, make_version

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def live() -> ModelVersion:
    return live_model(now=NOW)


def promote(candidate: ModelVersion, **more: bool) -> Promotion:
    return promotion.promote(
        candidate=candidate, evidence=make_evidence(candidate=candidate.name, **more), now=NOW
    )


def test_it_makes_a_better_model_live(live: ModelVersion) -> None:
    row = promote(make_version())

    assert (row.outcome, row.replaced) == ("promoted", live)
    assert live_model(now=NOW).name == "candidate"
    assert live_by_rows() == live_model(now=NOW)
    assert AuditEntry.objects.filter(action="model.promoted").exists()


def test_it_keeps_the_comparison(live: ModelVersion) -> None:
    row = promote(make_version())

    kept = promotion.comparison_of(Promotion.objects.get(pk=row.pk))

    assert kept is not None
    assert kept.passes
    assert kept.live == "composite-1"


def test_it_keeps_a_refusal_and_why(live: ModelVersion) -> None:
    candidate = make_version()

    with pytest.raises(promotion.Refused) as refused:
        promote(candidate, better=False)

    assert live_model(now=NOW) == live
    assert refused.value.promotion.outcome == "refused"
    assert "Average precision" in refused.value.promotion.reason
    assert promotion.was_refused(candidate, live=live, data="rows-1") == refused.value.promotion
    assert promotion.was_refused(candidate, live=live, data="rows-2") is None


def test_it_promotes_once(live: ModelVersion) -> None:
    candidate = make_version()
    promote(candidate)

    with pytest.raises(promotion.AlreadyLive):
        promote(candidate)

    assert Promotion.objects.count() == 1


def test_it_goes_back_by_one_row(live: ModelVersion) -> None:
    promote(make_version())

    row = promotion.roll_back(because="It flags everybody.", now=NOW)

    assert (row.outcome, row.candidate, row.reason) == ("rolled_back", live, "It flags everybody.")
    assert live_model(now=NOW) == live == live_by_rows()
    assert ModelVersion.objects.get(name="candidate").taken_back_at == NOW


def test_it_goes_back_further_by_another_row(live: ModelVersion) -> None:
    import numpy as np

    first, second = make_version("first"), make_version("second")
    promote(first)
    evidence = make_evidence(candidate="second")
    promotion.promote(candidate=second, evidence=evidence, now=NOW)

    promotion.roll_back(because="No.", now=NOW)
    promotion.roll_back(because="Nor this one.", now=NOW)

    assert live_model(now=NOW) == live
    assert np.isfinite(evidence.y).all()


def test_it_has_nothing_to_go_back_to_at_first(live: ModelVersion) -> None:
    with pytest.raises(promotion.NothingToTakeBack):
        promotion.roll_back(because="No.", now=NOW)


def test_it_takes_a_model_back_only_for_a_reason(live: ModelVersion) -> None:
    promote(make_version())

    with pytest.raises(promotion.ReasonMissing):
        promotion.roll_back(because="  ", now=NOW)


def test_it_refuses_while_the_policy_trusts_another_model(live: ModelVersion) -> None:
    draft = store.draft_from_live(by=None, now=NOW, changes={"model": "composite-1"})
    store.go_live(policy=draft, by=None, now=NOW, reason="Only what we know")

    with pytest.raises(promotion.Refused, match=r"trusts only “composite-1”.*draft in force"):
        promote(make_version())

    assert live_model(now=NOW) == live


def test_it_notices_a_policy_put_in_force_during_the_comparison(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([[], ["Policy 2 trusts only “composite-1”."]])
    monkeypatch.setattr(trust, "objections", lambda name: next(answers))

    with pytest.raises(promotion.Refused, match="Policy 2"):
        promote(make_version())


def test_it_takes_a_model_back_whatever_the_policy_trusts(live: ModelVersion) -> None:
    promote(make_version())
    draft = store.draft_from_live(by=None, now=NOW, changes={"model": "candidate"})
    store.go_live(policy=draft, by=None, now=NOW, reason="It is good")

    row = promotion.roll_back(because="It is not.", now=NOW)

    kept = promotion.comparison_of(row)
    assert live_model(now=NOW) == live
    assert kept is not None
    assert not kept.passes
    assert "trusts only “candidate”" in kept.refusal


def test_it_waits_for_an_alert_about_a_model(live: ModelVersion) -> None:
    make_finding(live)

    with pytest.raises(promotion.Refused, match="paused"):
        promote(make_version())


def test_it_does_not_wait_because_the_live_model_cannot_be_used(live: ModelVersion) -> None:
    make_finding(live, "model_fault")

    promote(make_version())

    assert live_model(now=NOW).name == "candidate"
    assert Finding.objects.get().ending == "out_of_use"


def test_it_asks_again_what_was_refused_for_an_alert(live: ModelVersion) -> None:
    candidate = make_version()
    alert = make_finding(live)
    with pytest.raises(promotion.Refused):
        promote(candidate)

    assert promotion.was_refused(candidate, live=live, data="rows-1") is None
    Finding.objects.filter(pk=alert.pk).update(closed_at=NOW, ending="accepted")
    assert promote(candidate).outcome == "promoted"


def test_it_keeps_promotions_as_they_were_written(live: ModelVersion) -> None:
    promote(make_version())

    with pytest.raises(DatabaseError, match="stays as it was written"), transaction.atomic():
        Promotion.objects.update(reason="otherwise")
    with pytest.raises(DatabaseError, match="stays as it was written"), transaction.atomic():
        Promotion.objects.all().delete()


def test_it_has_one_model_in_shadow(live: ModelVersion) -> None:
    first, second = make_version("first"), make_version("second")
    promotion.to_shadow(candidate=first, because="Try it", now=NOW)

    promotion.to_shadow(candidate=second, because="Try this one", now=NOW)

    assert list(ModelVersion.objects.filter(is_shadow=True)) == [second]
    assert live_model(now=NOW) == live
    with pytest.raises(IntegrityError, match="one_model_is_in_shadow"), transaction.atomic():
        ModelVersion.objects.filter(pk=first.pk).update(is_shadow=True)


def test_it_takes_a_promoted_model_out_of_shadow(live: ModelVersion) -> None:
    candidate = make_version()
    promotion.to_shadow(candidate=candidate, because="", now=NOW)

    promote(candidate)

    assert not ModelVersion.objects.filter(is_shadow=True).exists()


def test_it_does_not_put_the_live_model_in_shadow(live: ModelVersion) -> None:
    with pytest.raises(promotion.AlreadyLive):
        promotion.to_shadow(candidate=live, because="", now=NOW)
    with pytest.raises(IntegrityError, match="neither_in_shadow"), transaction.atomic():
        ModelVersion.objects.filter(pk=live.pk).update(is_shadow=True)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("a_promotion_says_why", {"reason": ""}),
        ("a_model_does_not_replace_itself", {"reason": "x", "itself": True}),
    ],
)
def test_it_keeps_its_promises(live: ModelVersion, name: str, fields: dict[str, object]) -> None:
    replaced = live if fields.get("itself") else None

    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Promotion.objects.create(
            candidate=live, replaced=replaced, at=NOW, outcome="promoted", reason=str(fields["reason"])
        )


# --- what follows ----------------------------------------------------------------------------------------------


def test_it_scores_everybody_anew_a_few_at_a_time(live: ModelVersion) -> None:
    enrolments = [enrolled(f"person-{number:04}") for number in range(3)]
    for enrolment in enrolments:
        make_event(enrolment, day(1))
    refresh(now=day(2))
    Risk.objects.update(review_at=None)
    promote(make_version(parameters={"min_coverage": 0.1}))

    first = rescore.mark(now=day(3), limit=2)
    waits = rescore.mark(now=day(3), limit=2)
    refresh(now=day(3))
    rest = rescore.mark(now=day(3), limit=2)
    refresh(now=day(3))

    assert (first, waits, rest) == (2, 0, 1)
    assert set(Risk.objects.values_list("model_version__name", flat=True)) == {"candidate"}
    assert rescore.mark(now=day(3), limit=2) == 0


def test_it_scores_anew_without_a_retired_feature(live: ModelVersion) -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    refresh(now=day(2))
    Risk.objects.update(review_at=None)
    retire(key="late", reason="It says nothing here.", now=day(2.5))

    marked = rescore.mark(now=day(3))
    refresh(now=day(3))

    assert marked == 1
    assert Risk.objects.get(pk=enrolment.pk).as_of == day(3)
    Risk.objects.update(review_at=None)
    assert rescore.mark(now=day(3)) == 0
    Risk.objects.update(as_of=day(2))
    assert rescore.mark(now=day(8)) == 0  # the weekly look has found it since


def test_it_does_not_act_on_what_a_model_said_that_was_taken_back(live: ModelVersion) -> None:
    from interventions.policy.document import Document
    from interventions.situation import snapshots

    promote(make_version())
    enrolment = enrolled()
    make_event(enrolment, day(1))
    refresh(now=day(2))

    def model() -> str | None:
        found = snapshots([enrolment.pk], policy=Document(), policy_version=1, now=day(3))
        return found[enrolment.pk].model

    before = model()
    promotion.roll_back(because="Wrong.", now=day(3))
    between = model()
    rescore.mark(now=day(3))
    refresh(now=day(3) + timedelta(minutes=1))

    assert (before, between, model()) == ("candidate", None, "composite-1")


# --- two at once -----------------------------------------------------------------------------------------------


@pytest.fixture
def emptied_afterwards() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE signals_promotion")


def at_once(*work: Callable[[], object]) -> list[object]:
    """What each returned or raised, all begun together."""
    start = Barrier(len(work))

    def run(one: Callable[[], object]) -> object:
        try:
            start.wait(10)
            return one()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        begun = [pool.submit(run, one) for one in work]
    return [one.exception() or one.result() for one in begun]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("emptied_afterwards")
def test_it_lets_one_of_two_promotions_win() -> None:
    live_model(now=NOW)
    first, second = make_version("first"), make_version("second")

    answers = at_once(lambda: promote(first), lambda: promote(second))

    won = [answer for answer in answers if isinstance(answer, Promotion)]
    lost = [answer for answer in answers if isinstance(answer, promotion.Overtaken)]
    assert (len(won), len(lost)) == (1, 1)
    assert live_model(now=NOW) == won[0].candidate == live_by_rows()
