"""What came of a step: a learner was active again only by what they did themselves."""

from datetime import timedelta

import pytest

from interventions.models import Outcome
from interventions.outcomes import ACTIVE_7D, measure
from signals.models import Verb
from tests.support.interventions import NOW, make_attempt, make_contents
from tests.support.knowledge import make_event

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("verb", "active"), [(Verb.EXPERIENCED, 1.0), (Verb.WAS_RATED, 0.0), (Verb.MEASURED, 0.0)]
)
def test_it_does_not_take_what_others_say_for_the_learners_activity(verb: Verb, active: float) -> None:
    make_contents()
    attempt = make_attempt()
    make_event(attempt.decision.enrolment, NOW + timedelta(days=1), verb=verb)

    measure(now=attempt.reached_at + timedelta(days=8))

    assert Outcome.objects.get(measure=ACTIVE_7D).value == active
