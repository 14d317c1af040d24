"""What Moodle's logstore_xapi and Open edX's event-routing-backends send becomes events, without a setting here.

The statements have the shape of those two plugins as of 2026; the people, courses and words are made up.
"""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from learners.identity import canonical_identifier, identifier_hash
from learners.models import Enrolment, Identifier, Learner
from signals.features.rollup import recompute
from signals.models import AssessmentResult, DailyRollup, Event, UnknownVerb, Verb
from signals.surroundings import session_key
from tests.support.signals import NOW, headers_of, make_course, make_credential, make_enrolment

pytestmark = pytest.mark.django_db

MOODLE = "https://moodle.example.com"
EDX = "https://edx.example.com"
MOODLE_COURSE = f"{MOODLE}/course/view.php?id=7"
EDX_COURSE = f"{EDX}/course/course-v1:Acme+S1+2026"
DAY = NOW - timedelta(days=3)


def at(minutes: float) -> str:
    return (DAY + timedelta(minutes=minutes)).isoformat()


def knows(home_page: str, name: str) -> Learner:
    agent = {"account": {"homePage": home_page, "name": name}}
    named = canonical_identifier(agent)
    assert named is not None
    learner = Learner.objects.create()
    Identifier.objects.create(
        learner=learner, kind="account", hash=identifier_hash(named), value=f"{home_page}|{name}"
    )
    return learner


def post(client: Client, *statements: dict[str, Any]) -> None:
    headers = headers_of(make_credential(name="lms"))
    answer = client.post(
        "/xapi/statements", json.dumps(statements), content_type="application/json", headers=headers
    )
    assert answer.status_code == 200, answer.content


def activity(iri: str, name: str, type_iri: str) -> dict[str, Any]:
    return {"id": iri, "definition": {"name": {"en": name}, "type": type_iri}, "objectType": "Activity"}


# --- Moodle --------------------------------------------------------------------------------------------------------


def moodle(
    verb: str,
    target: dict[str, Any],
    minutes: float,
    *,
    event: str,
    parents: tuple[Any, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    course = activity(MOODLE_COURSE, "Safety", "https://w3id.org/xapi/cmi5/activitytype/course")
    return {
        "actor": {"name": "Anna Ash", "account": {"homePage": MOODLE, "name": "5"}},
        "verb": {"id": verb, "display": {"en": verb.rpartition("/")[2]}},
        "object": target,
        "timestamp": at(minutes),
        "context": {
            "platform": "Moodle",
            "language": "en",
            "registration": "8f2f1f7e-7a4b-5d8d-9f0f-2e2f6d9c1a10",
            "extensions": {
                "http://lrs.learninglocker.net/define/extensions/info": {
                    "http://moodle.org": "4.5 (Build: 20241007)",
                    "https://github.com/xAPI-vle/moodle-logstore_xapi": "2026051500",
                    "event_name": event,
                    "event_function": "\\src\\transformer\\events" + event.replace("\\event", ""),
                }
            },
            "contextActivities": {
                "category": [activity(MOODLE, "Campus", "http://id.tincanapi.com/activitytype/lms")],
                **({} if target["id"] == MOODLE_COURSE else {"parent": [*parents, course]}),
            },
        },
        **more,
    }


QUIZ = activity(f"{MOODLE}/mod/quiz/view.php?id=32", "Test", "http://adlnet.gov/expapi/activities/assessment")
SECTION = activity(
    f"{MOODLE}/course/section.php?id=3", "Week 1", "http://id.tincanapi.com/activitytype/section"
)


def moodle_day() -> list[dict[str, Any]]:
    course = activity(MOODLE_COURSE, "Safety", "https://w3id.org/xapi/cmi5/activitytype/course")
    page = activity(f"{MOODLE}/mod/page/view.php?id=31", "Ladders", "http://activitystrea.ms/schema/1.0/page")
    attempt = activity(
        f"{MOODLE}/mod/quiz/attempt.php?attempt=9&cmid=32",
        "Test, attempt 1",
        "http://adlnet.gov/expapi/activities/attempt",
    )
    question = activity(
        f"{MOODLE}/question/type/multichoice/question.php?id=4",
        "What first?",
        "http://adlnet.gov/expapi/activities/cmi.interaction",
    )
    question["definition"] |= {"interactionType": "choice", "correctResponsesPattern": ["stop"]}
    return [
        moodle(
            "https://xapi.edlm/profiles/edlm-lms/concepts/verbs/enrolled",
            course,
            0,
            event="\\core\\event\\user_enrolment_created",
        ),
        moodle("http://id.tincanapi.com/verb/viewed", course, 1, event="\\core\\event\\course_viewed"),
        moodle(
            "http://id.tincanapi.com/verb/viewed",
            page,
            3,
            event="\\mod_page\\event\\course_module_viewed",
            parents=(SECTION,),
        ),
        moodle(
            "http://adlnet.gov/expapi/verbs/answered",
            question,
            14,
            event="\\mod_quiz\\event\\attempt_submitted",
            parents=(attempt, QUIZ, SECTION),
            result={"response": "stop", "success": True, "completion": True},
        ),
        moodle(
            "http://adlnet.gov/expapi/verbs/completed",
            attempt,
            14.1,
            event="\\mod_quiz\\event\\attempt_submitted",
            parents=(QUIZ, SECTION),
            result={
                "score": {"raw": 8, "min": 0, "max": 10, "scaled": 0.8},
                "completion": True,
                "success": True,
                "duration": "PT600S",
            },
        ),
        moodle(
            "https://w3id.org/xapi/tla/verbs/scored",
            activity(
                f"{MOODLE}/mod/assign/view.php?id=33",
                "Report",
                "http://adlnet.gov/expapi/activities/assessment",
            ),
            60,
            event="\\mod_assign\\event\\submission_graded",
            parents=(SECTION,),
            result={"score": {"raw": 30, "min": 0, "max": 100, "scaled": 0.3}, "completion": True},
        ),
    ]


def test_moodle_statements_enrol_and_become_events_in_the_course(client: Client) -> None:
    anna = knows(MOODLE, "5")
    make_course(MOODLE_COURSE)

    post(client, *moodle_day())

    enrolment = Enrolment.objects.get(learner=anna)
    events = Event.objects.order_by("occurred_at")
    assert [(event.verb, event.enrolment_id) for event in events] == [
        (verb, enrolment.pk)
        for verb in (
            Verb.REGISTERED,
            Verb.EXPERIENCED,
            Verb.EXPERIENCED,
            Verb.ANSWERED,
            Verb.COMPLETED,
            Verb.SCORED,
        )
    ]
    assert not UnknownVerb.objects.exists()


def test_moodle_results_are_kept_as_questions_and_as_whole_assessments(client: Client) -> None:
    knows(MOODLE, "5")
    make_course(MOODLE_COURSE)

    post(client, *moodle_day())

    results = AssessmentResult.objects.order_by("occurred_at").values_list("is_item", "scaled", "success")
    assert list(results) == [(True, None, True), (False, 0.8, True), (False, 0.3, False)]


def test_moodle_sessions_are_known_by_the_registration_the_plugin_makes_of_them(client: Client) -> None:
    knows(MOODLE, "5")
    make_course(MOODLE_COURSE)

    post(client, *moodle_day())

    expected = session_key("8f2f1f7e-7a4b-5d8d-9f0f-2e2f6d9c1a10")
    assert {event.session for event in Event.objects.all()} == {expected}


def test_moodle_dwell_is_the_attempts_own_time_counted_once(client: Client) -> None:
    anna = knows(MOODLE, "5")
    make_course(MOODLE_COURSE)
    post(client, *moodle_day())
    enrolment = Enrolment.objects.get(learner=anna)

    recompute([(enrolment.pk, DAY.date())])

    # From enrolling to handing in; the mark came three quarters of an hour later, when nobody was there.
    assert DailyRollup.objects.get().seconds == pytest.approx(14.1 * 60, abs=1)


def test_moodle_course_completion_ends_the_enrolment(client: Client) -> None:
    enrolment = make_enrolment(knows(MOODLE, "5"), make_course(MOODLE_COURSE))
    course = activity(MOODLE_COURSE, "Safety", "https://w3id.org/xapi/cmi5/activitytype/course")

    post(
        client,
        moodle(
            "http://adlnet.gov/expapi/verbs/completed", course, 9, event="\\core\\event\\course_completed"
        ),
    )

    enrolment.refresh_from_db()
    assert enrolment.state == Enrolment.State.COMPLETED


# --- Open edX ------------------------------------------------------------------------------------------------------

ANONYMOUS = "32e08e30-f8ae-4ce2-94a8-c2bfe38a70cb"
PROBLEM = f"{EDX}/xblock/block-v1:Acme+S1+2026+type@problem+block@3fc5461f"
VIDEO = f"{EDX}/xblock/block-v1:Acme+S1+2026+type@video+block@5c90cffe"


def edx(verb: str, target: dict[str, Any], minutes: float, **more: Any) -> dict[str, Any]:
    course = activity(EDX_COURSE, "Safety", "http://adlnet.gov/expapi/activities/course")
    context: dict[str, Any] = {
        "extensions": {
            "https://w3id.org/xapi/openedx/extension/transformer-version": "event-routing-backends@9.3.0",
            "https://w3id.org/xapi/openedx/extensions/session-id": "e4858858443cd99828206e294587dac5",
            **more.pop("extensions", {}),
        }
    }
    if target["id"] != EDX_COURSE:
        context["contextActivities"] = {"parent": [course]}
    return {
        "id": f"00000000-0000-4000-8000-{int(minutes * 1000):012d}",
        "actor": {"objectType": "Agent", "account": {"homePage": EDX, "name": ANONYMOUS}},
        "verb": {"id": verb, "display": {"en": verb.rpartition("/")[2]}},
        "object": target,
        "timestamp": at(minutes),
        "version": "1.0.3",
        "context": context,
        **more,
    }


def edx_day() -> list[dict[str, Any]]:
    course = activity(EDX_COURSE, "Safety", "http://adlnet.gov/expapi/activities/course")
    video = activity(VIDEO, "Ladders", "https://w3id.org/xapi/video/activity-type/video")
    question = activity(PROBLEM, "What first?", "http://adlnet.gov/expapi/activities/question")
    unit = activity(
        f"{EDX}/xblock/block-v1:Acme+S1+2026+type@sequential+block@1",
        "Unit",
        "http://adlnet.gov/expapi/activities/module",
    )
    played = {"extensions": {"https://w3id.org/xapi/video/extensions/time": 12.5}}
    length = {"https://w3id.org/xapi/video/extensions/length": 195.0}
    done = {"completion": True, "extensions": {"https://w3id.org/xapi/cmi5/result/extensions/progress": 100}}
    grade = {"score": {"scaled": 0.5, "raw": 1, "min": 0, "max": 2}, "success": False, "response": "a"}
    return [
        edx("http://adlnet.gov/expapi/verbs/registered", course, 0),
        edx("https://w3id.org/xapi/dod-isd/verbs/navigated", unit, 1),
        edx("https://w3id.org/xapi/video/verbs/played", video, 2, result=played, extensions=length),
        edx("https://w3id.org/xapi/video/verbs/paused", video, 4, result=played, extensions=length),
        edx("https://w3id.org/xapi/acrossx/verbs/evaluated", question, 8, result=grade),
        edx("http://adlnet.gov/expapi/verbs/attempted", question, 8.5, result=grade),
        edx("http://adlnet.gov/expapi/verbs/progressed", course, 9, result=done),
        edx("http://adlnet.gov/expapi/verbs/passed", course, 12, result={"completion": True}),
    ]


def test_open_edx_statements_enrol_and_become_events_in_the_course(client: Client) -> None:
    learner = knows(EDX, ANONYMOUS)
    make_course(EDX_COURSE)

    post(client, *edx_day())

    enrolment = Enrolment.objects.get(learner=learner)
    assert [
        event.verb for event in Event.objects.filter(enrolment_id=enrolment.pk).order_by("occurred_at")
    ] == [
        Verb.REGISTERED,
        Verb.INTERACTED,
        Verb.EXPERIENCED,
        Verb.INTERACTED,
        Verb.SCORED,
        Verb.ATTEMPTED,
        Verb.PROGRESSED,
        Verb.PASSED,
    ]
    assert not UnknownVerb.objects.exists()
    assert enrolment.state == Enrolment.State.COMPLETED


def test_open_edx_sessions_scores_and_progress_are_kept(client: Client) -> None:
    knows(EDX, ANONYMOUS)
    make_course(EDX_COURSE)

    post(client, *edx_day())

    assert {event.session for event in Event.objects.all()} == {
        session_key("e4858858443cd99828206e294587dac5")
    }
    assert Event.objects.get(verb=Verb.SCORED).scaled == 0.5
    assert Event.objects.get(verb=Verb.PROGRESSED).progress == 1.0


def test_it_waits_with_a_users_statements_until_the_anonymous_number_is_known(client: Client) -> None:
    make_course(EDX_COURSE)

    post(client, *edx_day())

    assert not Event.objects.exists()
