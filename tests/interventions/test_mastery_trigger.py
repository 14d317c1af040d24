"""Mastery in decisions: the weakest competency where answers make it known, else the last scores; and it says which."""

from typing import Any

import pytest

from interventions.policy import store as policies
from interventions.policy.document import Document
from interventions.situation import snapshots
from interventions.snapshot import Seen, Snapshot, restore, store
from interventions.triggers import MASTERY, held
from learners.models import CompetencyItem
from signals.features.refresh import refresh
from signals.xapi.keys import activity_key
from tests.support.knowledge import day, enrolled, make_result
from tests.support.learners import make_competency

pytestmark = pytest.mark.django_db


def seen_after(answers: int) -> Snapshot:
    """A perfect score, and wrong answers to the questions of one competency; then eight days of silence."""
    enrolment = enrolled()
    iri = "urn:item:one"
    CompetencyItem.objects.create(competency=make_competency(), iri=iri, name="One")
    make_result(enrolment, day(1), scaled=1.0)
    for number in range(answers):
        make_result(enrolment, day(2 + number / 9), success=False, activity=activity_key(iri), is_item=True)
    refresh(now=day(11))
    policy = policies.live()
    found = snapshots([enrolment.pk], policy=Document(), policy_version=policy.version, now=day(11))
    return found[enrolment.pk]


def opens(snapshot: Snapshot) -> bool:
    return MASTERY in [one.key for one in held(snapshot, Document())]


def test_it_goes_by_the_competency_that_answers_make_known() -> None:
    snapshot = seen_after(3)

    assert snapshot.seen.mastery_from == "answers"
    assert snapshot.seen.mastery is not None
    assert snapshot.seen.mastery < 0.35
    assert opens(snapshot)


def test_it_goes_by_scores_where_there_are_fewer_than_three_answers() -> None:
    snapshot = seen_after(2)

    assert (snapshot.seen.mastery, snapshot.seen.mastery_from) == (1.0, "scores")
    assert not opens(snapshot)


def test_it_keeps_which_in_the_snapshot_and_reads_older_ones_as_they_were() -> None:
    kept = store(seen_after(3))
    older: dict[str, Any] = {**kept, "seen": {"mastery": 0.4}}

    assert restore(kept).seen.mastery_from == "answers"
    assert restore(older).seen == Seen(mastery=0.4, mastery_from="scores")
