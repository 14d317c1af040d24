"""What two models are compared on: runs that are over and that neither learned from, scored as serving would."""

import pytest

from learners.models import Enrolment
from signals.models import ModelVersion
from signals.risk.live import live_model
from signals.training import card as cards
from signals.training import heldout
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.promotions import make_version

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def ended(name: str, state: str, *, on: float = 60) -> Enrolment:
    enrolment = enrolled(name)
    make_event(enrolment, day(3))
    make_result(enrolment, day(10), scaled=0.9 if state == "completed" else 0.1)
    Enrolment.objects.filter(pk=enrolment.pk).update(state=state, ended_at=day(on))
    return enrolment


@pytest.fixture
def candidate() -> ModelVersion:
    live_model(now=day(0))
    return make_version(parameters={"min_coverage": 0.1})


def test_it_compares_on_people_whose_run_is_over(candidate: ModelVersion) -> None:
    import numpy as np

    passed, failed = ended("person-0001", "completed"), ended("person-0002", "failed")

    found = heldout.evidence(
        candidate=candidate, compared_with=live_model(now=day(0)), now=day(100), days=(14, 28)
    )

    assert sorted(found.people.tolist()) == sorted([passed.pk, passed.pk, failed.pk, failed.pk])
    assert {int(pk): float(y) for pk, y in zip(found.people, found.y, strict=True)} == {
        passed.pk: 0.0,
        failed.pk: 1.0,
    }
    assert np.isfinite(found.new).all()
    assert found.new[found.people == failed.pk].min() > found.new[found.people == passed.pk].max()
    assert set(found.slices) == {"course", "role", "unit", "day"}


def test_it_has_nothing_to_compare_on_while_a_run_goes_on(candidate: ModelVersion) -> None:
    ended("person-0001", "withdrawn")
    enrolled("person-0002")

    with pytest.raises(heldout.NothingHeldOut, match="No run of a course has ended"):
        heldout.evidence(candidate=candidate, compared_with=live_model(now=day(0)), now=day(100))


def test_it_leaves_out_runs_that_a_model_learned_from(candidate: ModelVersion) -> None:
    ended("person-0001", "completed")
    data, _ = heldout.rows(models=(candidate,), now=day(100), days=(14,))
    candidate.card = cards.write(cards.Card(data=cards.Data(cohorts=(data.cohorts[0],))))
    candidate.save(update_fields=["card"])

    with pytest.raises(heldout.NothingHeldOut, match="learned from every run"):
        heldout.rows(models=(candidate,), now=day(100), days=(14,))


def test_it_leaves_out_runs_that_were_over_when_a_model_was_trained(candidate: ModelVersion) -> None:
    ended("person-0001", "completed")
    candidate.trained_as_of = day(70)

    with pytest.raises(heldout.NothingHeldOut):
        heldout.rows(models=(candidate,), now=day(100), days=(14,))


def test_it_compares_with_what_scores_in_the_place_of_a_live_model_that_cannot_be_used(
    candidate: ModelVersion,
) -> None:
    ended("person-0001", "completed")
    ended("person-0002", "failed")
    ModelVersion.objects.filter(is_live=True).update(is_live=False)
    broken = make_version("broken", kind="logistic", artefact=b"not ours", is_live=True)

    found = heldout.evidence(candidate=candidate, compared_with=broken, now=day(100), days=(14,))

    assert found.live == "broken"
    assert "“broken” cannot be used" in found.stands_in
    assert "with “composite-1”, which scores instead" in found.stands_in
