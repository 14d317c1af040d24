"""What the database promises about reaching people and other systems: each promise is tested by breaking it."""

from datetime import time

import pytest

from interventions.models import (
    ApiToken,
    ChatConnection,
    CoachRoom,
    Lesson,
    LessonPlace,
    PlatformEnrolment,
    WebhookEndpoint,
    WebhookMessage,
)
from tests.support.interventions import NOW, make_decision, make_webhook_endpoint
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db


def test_a_room_is_told_in_the_morning() -> None:
    with Broken("a_room_is_told_in_the_morning"):
        CoachRoom.objects.create(name="Coaches", kind="slack", address="", at=time(15), created_at=NOW)


def test_only_moodle_has_moodles_settings() -> None:
    for fields in ({"enrols": True}, {"known_by": "username"}, {"writes": False}):
        with Broken("only_moodle_has_moodles_settings"):
            ChatConnection.objects.create(kind="slack", created_at=NOW, **fields)


def test_a_chats_fault_has_a_time() -> None:
    with Broken("a_chats_fault_has_a_time"):
        ChatConnection.objects.create(kind="teams", created_at=NOW, last_error="503")


def test_statements_tell_of_suggestions_only() -> None:
    with Broken("statements_tell_of_suggestions_only"):
        make_webhook_endpoint(form="xapi", events=["address.unreachable"])


def test_a_lessons_place_is_on_the_web() -> None:
    lesson = Lesson.objects.create(key="placed")

    with Broken("a_lessons_place_is_on_the_web"):
        LessonPlace.objects.create(lesson=lesson, address="javascript:alert(1)")


def test_an_enrolment_in_the_lms_says_when() -> None:
    decision = make_decision()
    fields = {"decision": decision, "moodle_course": 12, "created_at": NOW, "due_at": NOW}

    with Broken("who_was_enrolled_was_so_at_a_time"):
        PlatformEnrolment.objects.create(state="done", **fields)
    with Broken("an_enrolment_under_way_was_claimed"):
        PlatformEnrolment.objects.create(state="sending", **fields)


def test_it_has_one_active_chat_connection_of_a_kind() -> None:
    ChatConnection.objects.create(kind="slack", is_active=False, created_at=NOW)
    ChatConnection.objects.create(kind="slack", created_at=NOW)

    with Broken("one_active_chat_connection_of_a_kind"):
        ChatConnection.objects.create(kind="slack", created_at=NOW)


def test_it_says_when_a_webhook_was_sent() -> None:
    endpoint = WebhookEndpoint.objects.create(name="LMS", address="", secret="", created_at=NOW)

    with Broken("a_webhook_sent_was_sent_at_a_time"):
        WebhookMessage.objects.create(
            endpoint=endpoint, event="test", body={}, state="sent", created_at=NOW, due_at=NOW
        )


def test_it_ends_an_api_token_after_it_was_made() -> None:
    with Broken("an_api_token_expires_after_it_is_made"):
        ApiToken.objects.create(
            name="LMS", token_hash=bytes(16), scopes=["card"], created_at=NOW, expires_at=NOW
        )
