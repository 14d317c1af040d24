"""What systems may read and say about a learner: in words, with consent, and with a trace."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from consent import audit, record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions.models import Answer, Episode, HelpRequest
from signals.models import ModelVersion, Risk
from signals.risk.score import live_model
from tests.coaching.api.conftest import Api
from tests.support.coaching import NOW, Circle, make_card, make_circle, make_decision
from tests.support.interventions import make_attempt, make_delivery
from tests.support.learners import make_identifier

pytestmark = pytest.mark.django_db
Make = Callable[..., Api]


def refuse(circle: Circle, scope: Scope) -> None:
    record.withdraw(subject=circle.learner.pk, scope=scope, by=SYSTEM, now=NOW)


def reads(circle: Circle, action: str) -> int:
    return audit.about(circle.learner.pk).filter(action=action, actor_kind="api_token").count()


def make_risk(circle: Circle, value: float = 0.83) -> Risk:
    model: ModelVersion = live_model(now=NOW)
    return Risk.objects.create(
        enrolment=circle.enrolment,
        model_version=model,
        value=value,
        coverage=1.0,
        known_signals=3,
        reasons=[],
        as_of=NOW,
        known_seq=0,
    )


class TestRisk:
    def path(self, circle: Circle) -> str:
        return f"learners/{circle.learner.pk}/risk/"

    def test_it_is_a_band_and_never_a_number(self, api: Make, circle: Circle) -> None:
        make_risk(circle)

        answer = api("risk:read")(self.path(circle))

        (course,) = answer.json()
        assert course["band"] == "high"
        assert course["course"]["name"] == circle.enrolment.course.name
        assert "0.83" not in answer.content.decode()
        assert "Robin" not in answer.content.decode()

    def test_it_says_nothing_where_too_little_is_known(self, api: Make, circle: Circle) -> None:
        (course,) = api("risk:read")(self.path(circle)).json()

        assert course["band"] is None

    def test_it_leaves_a_trace(self, api: Make, circle: Circle) -> None:
        api("risk:read")(self.path(circle))

        assert reads(circle, "api.read.risk") == 1

    @pytest.mark.parametrize("scope", [Scope.PROFILE, Scope.RECORD])
    def test_it_is_refused_where_the_learner_refuses(self, api: Make, circle: Circle, scope: Scope) -> None:
        make_risk(circle)
        refuse(circle, scope)

        answer = api("risk:read")(self.path(circle))

        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:rekindle:problem:consent-refused"
        assert reads(circle, "api.read.risk") == 0

    def test_it_knows_nobody_who_was_erased(self, api: Make, circle: Circle) -> None:
        circle.learner.erased_at = NOW
        circle.learner.save(update_fields=["erased_at"])

        assert api("risk:read")(self.path(circle)).status_code == 404


class TestSuggestions:
    def path(self, circle: Circle) -> str:
        return f"learners/{circle.learner.pk}/suggestions/"

    def test_it_lists_what_reached_the_learner_once(self, api: Make, circle: Circle) -> None:
        decision = make_decision(circle.enrolment)
        make_card(decision)
        make_delivery(decision=decision, state="sent", sent_at=NOW)
        make_delivery(decision=make_decision(make_circle().enrolment), state="sent")

        (one,) = api("suggestions:read")(self.path(circle)).json()

        assert one["id"] == str(decision.pk)
        assert one["subject"] == "Pick up where you left"
        assert one["answer"] is None
        assert reads(circle, "api.read.suggestions") == 1

    def test_it_is_refused_where_the_learner_refuses(self, api: Make, circle: Circle) -> None:
        refuse(circle, Scope.NUDGE)

        assert api("suggestions:read")(self.path(circle)).status_code == 403


class TestAnswers:
    def path(self, circle: Circle, decision_id: UUID) -> str:
        return f"learners/{circle.learner.pk}/suggestions/{decision_id}/answer/"

    def test_it_keeps_an_answer_and_brings_a_person(self, api: Make, circle: Circle) -> None:
        decision = make_decision(circle.enrolment)
        make_card(decision)

        answer = api("answers:write")(
            self.path(circle, decision.pk), {"kind": "need_help", "text": "Part two"}
        )

        assert answer.status_code == 200
        assert Answer.objects.get().kind == "need_help"
        assert HelpRequest.objects.get().text == "Part two"

    def test_it_refuses_a_fifth_answer(self, api: Make, circle: Circle) -> None:
        decision = make_decision(circle.enrolment)
        make_card(decision)

        answer = api("answers:write")(self.path(circle, decision.pk), {"kind": "like"})

        assert answer.status_code == 400
        assert "kind" in answer.json()["errors"]
        assert not Answer.objects.exists()

    def test_it_answers_for_nobody_else_and_nothing_unsent(self, api: Make, circle: Circle) -> None:
        other = make_decision(make_circle().enrolment)
        make_card(other)
        unsent = make_decision(circle.enrolment)
        ask = api("answers:write")

        for decision_id in (other.pk, unsent.pk, uuid4()):
            assert ask(self.path(circle, decision_id), {"kind": "did_it"}).status_code == 404
        assert not Answer.objects.exists()

    @pytest.mark.parametrize("body", ["no json", [], None])
    def test_it_says_so_where_the_body_is_nothing(self, api: Make, circle: Circle, body: Any) -> None:
        decision = make_decision(circle.enrolment)
        make_card(decision)

        assert api("answers:write")(self.path(circle, decision.pk), body or "").status_code == 400


class TestFind:
    def test_it_finds_by_what_the_system_calls_them(self, api: Make, circle: Circle) -> None:
        make_identifier(learner=circle.learner, value="robin@works.example")
        make_identifier(learner=circle.learner, kind="account", value="https://lms.example|robin")
        ask = api("learners:find")

        by_mail = ask("learners/find/", {"mbox": "mailto:Robin@works.example"})
        by_account = ask("learners/find/", {"account": {"homePage": "https://lms.example", "name": "robin"}})

        assert by_mail.json() == by_account.json() == {"learner": str(circle.learner.pk)}
        assert reads(circle, "api.read.found") == 2

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"mbox": "mailto:nobody@works.example"}, 404),
            ({}, 400),
            ({"mbox": "mailto:a@b.example", "account": {"homePage": "x", "name": "y"}}, 400),
            ({"account": {"homePage": "x"}}, 400),
        ],
    )
    def test_it_says_what_is_wrong(self, api: Make, body: dict[str, Any], status: int) -> None:
        assert api("learners:find")("learners/find/", body).status_code == status


class TestEpisodes:
    def test_it_lists_newest_first_page_by_page(self, api: Make) -> None:
        for _ in range(3):
            make_decision(make_circle().enrolment)
        ask = api("episodes:read")

        first = ask("episodes/?page_size=2").json()
        second = ask(first["next"].partition("/api/v1/")[2]).json()

        assert [len(first["results"]), len(second["results"])] == [2, 1]
        assert second["next"] is None
        shown = {row["id"] for row in (*first["results"], *second["results"])}
        assert shown == {str(pk) for pk in Episode.objects.values_list("pk", flat=True)}

    def test_it_shows_what_was_tried_in_the_same_number_of_queries(self, api: Make) -> None:
        ask = api("episodes:read")

        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                ask("episodes/")
            return len(captured)

        make_decision(make_circle().enrolment)
        queries()
        one = queries()
        for _ in range(4):
            make_decision(make_circle().enrolment)

        assert queries() == one
        assert ask("episodes/").json()["results"][0]["steps"][0]["action"] == "nudge"

    def test_it_says_who_looked_and_whether_it_arrived(self, api: Make, circle: Circle) -> None:
        decision = make_decision(circle.enrolment, reasons=["by_itself"])
        make_attempt(decision=decision)
        make_decision(circle.enrolment, step=2, reasons=["asked_as_a_sample"], now=NOW + timedelta(hours=1))

        first, second = api("episodes:read")("episodes/").json()["results"][0]["steps"]

        assert (first["by_itself"], first["reached_at"][:10]) == (True, "2026-03-02")
        assert (second["by_itself"], second["reached_at"]) == (False, None)

    def test_it_leaves_out_who_refuses_and_notes_who_was_shown(self, api: Make, circle: Circle) -> None:
        make_decision(circle.enrolment)
        refusing = make_circle()
        make_decision(refusing.enrolment)
        refuse(refusing, Scope.PROFILE)

        shown = api("episodes:read")("episodes/").json()["results"]

        assert [row["learner"] for row in shown] == [str(circle.learner.pk)]
        assert (reads(circle, "api.read.episodes"), reads(refusing, "api.read.episodes")) == (1, 0)

    def test_it_can_be_asked_for_one_learner(self, api: Make, circle: Circle) -> None:
        make_decision(circle.enrolment)
        make_decision(make_circle().enrolment)
        ask = api("episodes:read")

        assert len(ask(f"episodes/?learner={circle.learner.pk}&open=true").json()["results"]) == 1
        assert ask("episodes/?learner=nobody").json()["results"] == []


def test_the_policy_in_force_can_be_read(api: Make) -> None:
    told = api("policy:read")("policy/").json()

    assert told["version"] == 1
    assert told["document"]["bands"]["medium"] == 0.45
