"""Who is suggested a lesson of the LMS is put into its course: by whatever channel, once, and only while they agree."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import deliver, platform_enrolments, privacy
from interventions.models import ChatConnection, Lesson, LessonPlace, PlatformEnrolment
from tests.interventions.test_moodle import FOUND, TAKEN, asked, refused, told
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.interventions import make_admin, make_delivery, make_slot
from tests.support.listening import Listener, http_server

pytestmark = pytest.mark.django_db
ENROLLED = told(None)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def site(settings: Any) -> Iterator[Listener]:
    settings.OUTGOING_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    with http_server() as server:
        yield server


@pytest.fixture
def circle() -> Circle:
    return make_circle(name="Robin Fielding", email="robin@works.example")


@pytest.fixture
def lesson() -> Lesson:
    lesson = Lesson.objects.get(key="spotting-phishing")
    LessonPlace.objects.create(lesson=lesson, address="https://moodle.example/page?id=9", moodle_course=12)
    return lesson


def connect(site: Listener, **fields: Any) -> ChatConnection:
    said = {"enrols": True, "writes": False, **fields}
    return ChatConnection.objects.create(
        kind="moodle", address=site.url, token="t0ken", created_at=NOW, **said
    )


def suggest(circle: Circle, lesson: Lesson | None, *channels: str) -> None:
    decision = make_decision(circle.enrolment, action="lesson" if lesson else "nudge", lesson=lesson)
    make_slot(decision=decision, at=NOW)
    for channel in channels:
        make_delivery(decision=decision, channel=channel)
    deliver.deliver(now=NOW)


@pytest.mark.parametrize("channels", [("email",), ("card",), ("card", "email")])
def test_it_enrols_once_whatever_the_channel(
    site: Listener, circle: Circle, lesson: Lesson, channels: tuple[str, ...]
) -> None:
    connect(site)
    site.answers = [FOUND, ENROLLED]

    suggest(circle, lesson, *channels)
    asked_before = len(site.asked)
    platform_enrolments.enrol_due(now=NOW)
    platform_enrolments.enrol_due(now=LATER)

    assert asked_before == 0  # only once it is committed that the suggestion went out
    looked, enrolled = asked(site)
    assert (looked["field"], looked["values[0]"]) == ("email", "robin@works.example")
    assert enrolled["wsfunction"] == "enrol_manual_enrol_users"
    assert {name: value for name, value in enrolled.items() if name.startswith("enrol")} == {
        "enrolments[0][roleid]": "5",
        "enrolments[0][userid]": "42",
        "enrolments[0][courseid]": "12",
    }
    row = PlatformEnrolment.objects.get()
    assert (row.state, row.done_at, row.answer) == ("done", NOW, "enrolled")


def test_it_enrols_beside_moodles_own_message(site: Listener, circle: Circle, lesson: Lesson) -> None:
    connect(site, writes=True)
    site.answers = [FOUND, TAKEN, FOUND, ENROLLED]

    suggest(circle, lesson, "moodle")
    platform_enrolments.enrol_due(now=NOW)

    assert asked(site)[1]["wsfunction"] == "core_message_send_instant_messages"
    assert PlatformEnrolment.objects.get().state == "done"


@pytest.mark.parametrize(
    "without",
    [
        lambda: ChatConnection.objects.update(enrols=False),
        lambda: ChatConnection.objects.update(is_active=False),
        lambda: LessonPlace.objects.update(moodle_course=None),
        lambda: LessonPlace.objects.all().delete(),
    ],
)
def test_it_enrols_nobody_where_nobody_wants_it(
    site: Listener, circle: Circle, lesson: Lesson, without: Callable[[], Any]
) -> None:
    connect(site)
    without()

    suggest(circle, lesson, "email")
    platform_enrolments.enrol_due(now=NOW)

    assert not site.asked
    assert not PlatformEnrolment.objects.exists()


def test_it_enrols_nobody_whose_suggestion_did_not_go_out(
    site: Listener, circle: Circle, lesson: Lesson
) -> None:
    connect(site)
    record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)

    suggest(circle, lesson, "email")

    assert not PlatformEnrolment.objects.exists()


def test_it_keeps_what_went_wrong_and_tries_again(site: Listener, circle: Circle, lesson: Lesson) -> None:
    connect(site)
    site.answers = [FOUND, refused("wsnoinstance"), FOUND, ENROLLED]
    suggest(circle, lesson, "email")

    platform_enrolments.enrol_due(now=NOW)

    row = PlatformEnrolment.objects.get()
    assert (row.state, row.tries) == ("queued", 1)
    assert row.answer == "Moodle refused enrol_manual_enrol_users: wsnoinstance"
    assert row.due_at > NOW

    platform_enrolments.enrol_due(now=LATER)

    row.refresh_from_db()
    assert (row.state, row.done_at) == ("done", LATER)


def test_it_gives_up_where_moodle_does_not_know_them(site: Listener, circle: Circle, lesson: Lesson) -> None:
    connect(site)
    site.answers = [told([])]
    suggest(circle, lesson, "email")

    platform_enrolments.enrol_due(now=NOW)

    row = PlatformEnrolment.objects.get()
    assert (row.state, row.answer) == ("failed", "Moodle knows nobody by that")


@pytest.mark.parametrize("scope", [Scope.NUDGE, Scope.RECORD])
def test_a_withdrawal_calls_it_off(site: Listener, circle: Circle, lesson: Lesson, scope: Scope) -> None:
    connect(site)
    suggest(circle, lesson, "email")

    record.withdraw(subject=circle.learner.pk, scope=scope, by=SYSTEM, now=NOW)

    # In the withdrawal's own transaction, so that whoever claims it meanwhile comes wholly before or finds nothing.
    assert PlatformEnrolment.objects.get().state == "cancelled"
    platform_enrolments.enrol_due(now=NOW)
    assert not site.asked


def test_it_asks_for_consent_once_more(site: Listener, circle: Circle, lesson: Lesson) -> None:
    connect(site)
    suggest(circle, lesson, "email")
    record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)
    PlatformEnrolment.objects.update(state="queued")  # as if somebody had tried it again

    platform_enrolments.enrol_due(now=NOW)

    assert not site.asked
    assert PlatformEnrolment.objects.get().state == "cancelled"


def test_it_repeats_what_a_worker_left_in_the_middle(site: Listener, circle: Circle, lesson: Lesson) -> None:
    connect(site)
    site.answers = [FOUND, ENROLLED]
    suggest(circle, lesson, "email")
    PlatformEnrolment.objects.update(state="sending", claimed_at=NOW)

    platform_enrolments.enrol_due(now=NOW)
    before = len(site.asked)
    platform_enrolments.enrol_due(now=NOW + platform_enrolments.IN_DOUBT_AFTER)

    assert before == 0
    assert PlatformEnrolment.objects.get().state == "done"


def test_the_learner_is_told_of_it_and_it_goes_with_them(
    site: Listener, circle: Circle, lesson: Lesson
) -> None:
    connect(site)
    suggest(circle, lesson, "email")

    told_to_them = privacy.export(circle.learner.pk)["platform_enrolments"]
    erased = privacy.erase(circle.learner.pk, now=NOW)

    assert [(one["moodle_course"], one["state"]) for one in told_to_them] == [(12, "queued")]
    assert erased["platform_enrolments"] == 1
    assert not PlatformEnrolment.objects.exists()


def test_it_goes_when_its_period_is_over(site: Listener, circle: Circle, lesson: Lesson) -> None:
    connect(site)
    suggest(circle, lesson, "email")

    (step,) = [
        one for one in privacy.expire(Scope.NUDGE, LATER, now=LATER) if one.store == "platform_enrolments"
    ]
    step.remove()

    assert (step.rows, step.people) == (1, 1)
    assert not PlatformEnrolment.objects.exists()


def test_an_administrator_tries_again_and_reads_no_name(
    site: Listener, circle: Circle, lesson: Lesson, client: Client
) -> None:
    connect(site)
    suggest(circle, lesson, "email")
    PlatformEnrolment.objects.update(state="failed", answer="Moodle knows nobody by that")
    client.force_login(make_admin())

    page = client.post(
        "/admin/interventions/platformenrolment/",
        {"action": "try_again", "_selected_action": [str(PlatformEnrolment.objects.get().pk)]},
        follow=True,
    ).content.decode()

    assert "1 queued again" in page
    assert "Moodle knows nobody by that" in page
    assert "Fielding" not in page
    assert PlatformEnrolment.objects.get().state == "queued"
