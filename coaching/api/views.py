"""Version 1 of the API. Each view declares the scope of each method; what it shows of people is audited."""

from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from coaching.api import reading
from coaching.api.shapes import (
    SCOPES,
    AnswerShape,
    EpisodeShape,
    FoundShape,
    IdentifierShape,
    PassShape,
    PolicyShape,
    ProblemShape,
    RiskShape,
    SuggestionShape,
    WhoShape,
)
from consent import audit, gate
from consent.actors import Party
from consent.scopes import Scope
from interventions import answers, links
from interventions.links import Purpose
from interventions.models import Decision, Episode
from interventions.policy import store
from learners.identity import canonical_identifier, identifier_hash, resolve

PROBLEMS = {401: ProblemShape, 403: ProblemShape, 404: ProblemShape, 429: ProblemShape}


class FindLearner(APIView):
    """Which learner the asking system means. In the body, because an address ends up in logs."""

    scopes = {"POST": SCOPES.LEARNERS_FIND}

    @extend_schema(
        operation_id="find_learner", request=IdentifierShape, responses={200: FoundShape, **PROBLEMS}
    )
    def post(self, request: Request) -> Response:
        asked = IdentifierShape(data=request.data)
        asked.is_valid(raise_exception=True)
        named = canonical_identifier(asked.validated_data)
        hashed = identifier_hash(named) if named else b""
        found = resolve([hashed]).get(hashed) if named else None
        if found is None:
            raise NotFound("No learner is known by this.")
        who = reading.learner(found, Scope.RECORD)
        reading.note(request.auth, "found", [who.pk], now=timezone.now())
        return Response({"learner": who.pk})


class Risks(APIView):
    """Per current course: a band in a word, and why. Never a number."""

    scopes = {"GET": SCOPES.RISK_READ}

    @extend_schema(operation_id="learner_risk", responses={200: RiskShape(many=True), **PROBLEMS})
    def get(self, request: Request, learner_id: UUID) -> Response:
        now = timezone.now()
        who = reading.learner(learner_id, Scope.RECORD, Scope.PROFILE)
        reading.note(request.auth, "risk", [who.pk], now=now)
        return Response(RiskShape(reading.risks(who, now=now), many=True).data)


class Suggestions(APIView):
    """What was suggested to a learner and is still of use."""

    scopes = {"GET": SCOPES.SUGGESTIONS_READ}

    @extend_schema(
        operation_id="learner_suggestions", responses={200: SuggestionShape(many=True), **PROBLEMS}
    )
    def get(self, request: Request, learner_id: UUID) -> Response:
        now = timezone.now()
        who = reading.learner(learner_id, Scope.NUDGE)
        reading.note(request.auth, "suggestions", [who.pk], now=now)
        return Response(SuggestionShape(reading.suggestions(who, now=now), many=True).data)


class Answers(APIView):
    """One of the four answers, given by the learner on another system's page."""

    scopes = {"POST": SCOPES.ANSWERS_WRITE}

    @extend_schema(
        operation_id="answer_suggestion", request=AnswerShape, responses={200: AnswerShape, **PROBLEMS}
    )
    def post(self, request: Request, learner_id: UUID, decision_id: UUID) -> Response:
        now = timezone.now()
        given = AnswerShape(data=request.data)
        given.is_valid(raise_exception=True)
        who = reading.learner(learner_id, Scope.NUDGE)
        decision = reading.answerable(who, decision_id)
        answers.answer(
            decision=decision, kind=given.validated_data["kind"], text=given.validated_data["text"], now=now
        )
        audit.record(
            actor=Party("api_token", request.auth.pk),
            action="suggestion.answered_by_api",
            target=Party("learner", who.pk),
            now=now,
            detail={"decision": str(decision.pk), "kind": given.validated_data["kind"]},
        )
        return Response({"kind": given.validated_data["kind"], "text": given.validated_data["text"]})


class NewestFirst(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = ("-opened_at", "-id")


class Episodes(ListAPIView):
    """Episodes of those who allow their profile, newest first, with what was tried. Ids instead of names."""

    scopes = {"GET": SCOPES.EPISODES_READ}
    serializer_class = EpisodeShape
    pagination_class = NewestFirst

    def get_queryset(self) -> Any:
        acting = (
            Decision.objects.exclude(action="monitor")
            .select_related("answer", "suppression", "attempt")
            .defer("snapshot", "eligible")
            .order_by("at", "pk")
        )
        rows = (
            Episode.objects.select_related("enrolment__course")
            .prefetch_related(Prefetch("decisions", queryset=acting, to_attr="acting"))
            .filter(enrolment__learner__erased_at__isnull=True, enrolment__learner__merged_into__isnull=True)
        )
        for scope in (Scope.RECORD, Scope.PROFILE):
            rows = gate.only_allowing(rows, scope, field="enrolment__learner_id")
        if learner := self.request.query_params.get("learner"):
            try:
                rows = rows.filter(enrolment__learner=UUID(learner))
            except ValueError:
                return rows.none()
        if self.request.query_params.get("open") == "true":
            rows = rows.filter(closed_at__isnull=True)
        return rows

    @extend_schema(
        operation_id="episodes",
        parameters=[
            OpenApiParameter("learner", OpenApiTypes.UUID, description="only of this learner"),
            OpenApiParameter("open", OpenApiTypes.BOOL, description="true: only those that go on"),
        ],
        responses={200: EpisodeShape(many=True), **PROBLEMS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer = self.list(request, *args, **kwargs)
        shown = [UUID(str(row["learner"])) for row in answer.data["results"]]
        reading.note(request.auth, "episodes", shown, now=timezone.now())
        return answer


class PolicyInForce(APIView):
    """The policy in force: what triggers, what is done, and the limits. Names nobody."""

    scopes = {"GET": SCOPES.POLICY_READ}

    @extend_schema(operation_id="policy", responses={200: PolicyShape, **PROBLEMS})
    def get(self, request: Request) -> Response:
        row = store.live()
        told = {
            "version": row.version,
            "live_at": row.live_at,
            "reason": row.reason,
            "document": msgspec.to_builtins(store.document(row)),
        }
        return Response(PolicyShape(told).data)


class CardPasses(APIView):
    """A pass of ten minutes with which a learner's browser shows that learner's card, and no other's."""

    scopes = {"POST": SCOPES.CARD}

    @extend_schema(operation_id="card_pass", request=WhoShape, responses={201: PassShape, **PROBLEMS})
    def post(self, request: Request) -> Response:
        now = timezone.now()
        asked = WhoShape(data=request.data)
        asked.is_valid(raise_exception=True)
        who = reading.learner(asked.validated_data["learner"])
        audit.record(
            actor=Party("api_token", request.auth.pk),
            action="api.card_pass",
            target=Party("learner", who.pk),
            now=now,
        )
        text = links.make(Purpose.CARD, about=who.pk, detail=request.auth.pk.hex, now=now)
        made = {"token": text, "expires_at": links.read(Purpose.CARD, text, now=now).expires_at}
        return Response(PassShape(made).data, status=201)
