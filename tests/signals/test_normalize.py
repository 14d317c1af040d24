"""From a statement to its event: whose, in which enrolment, what, how much."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from learners.models import Enrolment, PlanStep
from signals.models import AssessmentResult, Event, Verb, VerbSynonym
from signals.normalize import COUNT_EXTENSION
from signals.xapi.keys import activity_key
from tests.support.signals import (
    COURSE,
    NOW,
    account,
    enrolled,
    identify,
    make_course,
    make_credential,
    make_enrolment,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
QUIZ = "https://lms.example.com/quiz/1"


def event_of(sent: dict[str, Any], **more: Any) -> Event:
    send(sent, credential=make_credential().credential, **more)
    return Event.objects.get(statement_id=sent["id"])


@pytest.mark.parametrize(
    ("iri", "verb"),
    [
        ("http://id.tincanapi.com/verb/viewed", Verb.EXPERIENCED),
        ("http://activitystrea.ms/schema/1.0/watch", Verb.EXPERIENCED),
        ("https://w3id.org/xapi/adl/verbs/initialized", Verb.ATTEMPTED),
        ("http://activitystrea.ms/schema/1.0/complete", Verb.COMPLETED),
        ("http://adlnet.gov/expapi/verbs/exited", Verb.EXITED),
    ],
)
def test_it_knows_a_verb_by_its_synonyms(iri: str, verb: Verb) -> None:
    enrolled()

    assert event_of(statement(iri)).verb == verb


def test_it_takes_the_count_of_a_source_that_counts() -> None:
    enrolled()
    in_result = statement(result={"extensions": {COUNT_EXTENSION: 4}})

    assert event_of(statement(count=12)).amount == 12
    assert event_of(in_result).amount == 4
    assert event_of(statement(count=-3)).amount == 1


@pytest.mark.parametrize(
    ("score", "scaled"),
    [
        ({"scaled": 0.8}, 0.8),
        ({"scaled": -0.5}, 0.0),
        ({"raw": 15, "min": 10, "max": 20}, 0.5),
        ({"raw": 30, "max": 120}, 0.25),
        ({"raw": 30}, None),
    ],
)
def test_it_reads_a_score_as_a_share(score: dict[str, float], scaled: float | None) -> None:
    enrolled()

    assert event_of(statement("scored", result={"score": score})).scaled == scaled


def test_it_reads_duration_and_progress() -> None:
    enrolled()
    extensions = {"https://w3id.org/xapi/cmi5/result/extensions/progress": 40}

    event = event_of(statement("progressed", result={"duration": "PT1H0M30.4S", "extensions": extensions}))

    assert (event.duration_s, event.progress) == (3630, 0.4)


def test_it_keeps_a_result_with_the_course_pass_mark_where_success_is_not_said() -> None:
    enrolment = enrolled()

    send(
        statement("scored", QUIZ, scaled=0.39),
        statement("answered", QUIZ, result={"success": True}),
        statement("rated", QUIZ, scaled=0.2),
        credential=make_credential().credential,
    )

    found = AssessmentResult.objects.order_by("known_seq").values_list(
        "enrolment_id", "activity", "scaled", "success", "is_item"
    )
    assert list(found) == [
        (enrolment.pk, activity_key(QUIZ), 0.39, False, False),
        (enrolment.pk, activity_key(QUIZ), None, True, True),
    ]


def test_it_finds_the_nearest_known_course_among_object_parents_and_groupings() -> None:
    enrolment = enrolled()
    other = make_enrolment(enrolment.learner, make_course("https://lms.example.com/course/programme"))
    context = {
        "contextActivities": {
            "grouping": {"id": "https://lms.example.com/course/programme"},
            "parent": [{"id": "https://lms.example.com/unknown"}, {"id": COURSE}],
        }
    }

    near = event_of(statement(context=context))
    as_object = event_of(statement(activity="https://lms.example.com/course/programme", context=context))

    assert near.enrolment_id == enrolment.pk
    assert as_object.enrolment_id == other.pk


def test_it_finds_the_course_by_a_step_of_its_plan() -> None:
    enrolment = enrolled()
    PlanStep.objects.create(course=enrolment.course, activity_iri=QUIZ, name="Quiz", due_day=10)

    assert event_of(statement(activity=QUIZ, course=None)).enrolment_id == enrolment.pk


def test_it_keeps_what_a_known_person_does_outside_any_known_course() -> None:
    learner = make_learner()

    event = event_of(statement(course=None))

    assert (event.learner_id, event.enrolment_id, event.known_seq) == (learner.pk, None, 0)


def test_it_never_enrols_somebody_who_only_opens_something() -> None:
    make_learner()
    make_course()

    event = event_of(statement())

    assert event.enrolment_id is None
    assert not Enrolment.objects.exists()


def test_it_places_an_event_in_the_enrolment_that_covers_it() -> None:
    course = make_course()
    learner = make_learner()
    first = make_enrolment(
        learner,
        course,
        starts_on=date(2025, 1, 1),
        state="failed",
        ended_at=datetime(2025, 6, 1, tzinfo=UTC),
    )
    second = make_enrolment(learner, course, starts_on=date(2026, 1, 1))

    assert event_of(statement(at=datetime(2025, 3, 1, tzinfo=UTC))).enrolment_id == first.pk
    assert event_of(statement(at=datetime(2025, 9, 1, tzinfo=UTC))).enrolment_id == second.pk
    assert event_of(statement(at=NOW)).enrolment_id == second.pk


def test_it_enrols_by_a_registered_statement_and_places_what_follows() -> None:
    learner = make_learner()
    make_course(starts_on=date(2026, 3, 9), length_days=60)

    send(
        statement("registered", COURSE, at=NOW),
        statement(at=NOW),
        credential=make_credential().credential,
    )

    enrolment = Enrolment.objects.get()
    assert (enrolment.learner_id, enrolment.state) == (learner.pk, "active")
    assert (enrolment.starts_on, enrolment.due_on) == (date(2026, 3, 9), date(2026, 5, 8))
    assert list(Event.objects.order_by("known_seq").values_list("enrolment_id", "known_seq")) == [
        (enrolment.pk, 1),
        (enrolment.pk, 2),
    ]


@pytest.mark.parametrize(
    ("verb", "result", "state"),
    [
        ("completed", None, "completed"),
        ("completed", {"success": False}, "failed"),
        ("passed", None, "completed"),
        ("failed", None, "failed"),
        ("unregistered", None, "withdrawn"),
    ],
)
def test_it_ends_an_enrolment_by_a_statement_about_the_whole_course(
    verb: str, result: dict[str, Any] | None, state: str
) -> None:
    enrolment = enrolled()
    more: dict[str, Any] = {"result": result} if result else {}

    send(statement(verb, COURSE, at=NOW, **more), credential=make_credential().credential)

    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.ended_at) == (state, NOW)
    assert not AssessmentResult.objects.exists()


def test_it_does_not_end_an_enrolment_by_completing_a_part() -> None:
    enrolment = enrolled()

    send(statement("completed"), statement("exited", COURSE), credential=make_credential().credential)

    enrolment.refresh_from_db()
    assert enrolment.state == "active"


def test_it_does_not_enrol_again_when_an_old_registration_is_sent_again() -> None:
    make_learner()
    make_course()
    credential = make_credential().credential
    registered = statement("registered", COURSE, at=NOW - timedelta(days=2))
    send(registered, statement("unregistered", COURSE, at=NOW - timedelta(days=1)), credential=credential)

    send(registered, credential=credential)

    assert list(Enrolment.objects.values_list("state", flat=True)) == ["withdrawn"]


def test_it_takes_an_address_and_its_sum_for_one_person() -> None:
    enrolment = enrolled()
    identify(enrolment.learner, {"mbox": "mailto:ann@example.com"})

    by_sum = event_of(statement(actor={"mbox_sha1sum": "0a7d8ea2f2ac01afbbf12061eb5324d2c8bb73df"}))
    by_address = event_of(statement(actor={"mbox": "mailto:Ann@example.com"}))

    assert by_sum.enrolment_id == by_address.enrolment_id == enrolment.pk


def test_it_learns_a_new_synonym_at_once() -> None:
    enrolled()
    VerbSynonym.objects.create(iri="https://acme.example/verbs/mastered", verb=Verb.PASSED)

    assert event_of(statement("https://acme.example/verbs/mastered")).verb == Verb.PASSED


def test_it_derives_nothing_when_the_object_is_not_an_activity() -> None:
    enrolled()

    send(
        statement(object={"objectType": "Agent", **account("person-0002")}, course=None),
        credential=make_credential().credential,
    )

    assert not Event.objects.exists()
