"""The embedded card: what a learner's browser asks for from an LMS's page, and the page for those that prefer a frame.

Pages of the origins in CARD_ORIGINS may ask (CORS) and may frame (CSP frame-ancestors); no cookie counts here.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from coaching import open_pages
from coaching.api import reading
from coaching.api.access import CardAuthentication
from coaching.api.shapes import SCOPES, AnswerShape, CardShape
from coaching.api.views import PROBLEMS
from consent import audit
from consent.actors import Party
from consent.scopes import Scope
from interventions import answers
from interventions.channels.phrases import ANSWERS, phrases

WORDS = {
    "en": {
        "title": "For you",
        "nothing": "Nothing to do. All good.",
        "why": "Why this?",
        "lesson": "Open the lesson",
        "answered": "Thank you. Your answer is kept.",
        "trouble": "This cannot be shown just now.",
        "again": "Try again",
        "off": "Suggestions are off.",
        "given": "You answered",
    },
    "de": {
        "title": "Für dich",
        "nothing": "Nichts zu tun. Alles gut.",
        "why": "Warum das?",
        "lesson": "Lektion öffnen",
        "answered": "Danke. Deine Antwort ist notiert.",
        "trouble": "Das lässt sich gerade nicht zeigen.",
        "again": "Noch einmal versuchen",
        "off": "Vorschläge sind aus.",
        "given": "Deine Antwort",
    },
}


def words_in(language: str) -> dict[str, str]:
    """What the card itself says, and the four answers."""
    said = phrases(language)
    return WORDS.get(language.partition("-")[0], WORDS["en"]) | {kind: said[kind] for kind in ANSWERS}


class FromAnotherPage(APIView):
    """A view that pages of the listed origins may call."""

    authentication_classes = (CardAuthentication,)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Vary"] = "Origin"
        answer.headers["Cache-Control"] = "no-store"
        origin = request.headers.get("Origin", "")
        if origin in settings.CARD_ORIGINS:
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            answer.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
            answer.headers["Access-Control-Max-Age"] = "600"
        return answer

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        if request.method == "OPTIONS":
            return  # a browser asks without the pass whether it may ask with it (the CORS preflight)
        super().initial(request, *args, **kwargs)

    @extend_schema(exclude=True)
    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204)

    def learner_id(self, request: Any) -> UUID:
        """Whose pass it is."""
        found = request.user.learner_id
        if found is None:
            raise AuthenticationFailed("This is no pass for a card.")
        return UUID(str(found))


class Card(FromAnotherPage):
    """The learner's current suggestions, with the words around them in the learner's language."""

    scopes = {"GET": SCOPES.CARD}

    @extend_schema(operation_id="card", responses={200: CardShape, **PROBLEMS})
    def get(self, request: Request) -> Response:
        now = timezone.now()
        who = reading.learner(self.learner_id(request), Scope.NUDGE)
        reading.note(request.auth, "card", [who.pk], now=now)
        listening = open_pages.shown(open_pages.of_learner(who.pk))
        told = {
            "listens_to": reverse("open_pages", args=[listening["listens_to"]]),
            "heard": listening["heard"],
            "language": who.language,
            "words": words_in(who.language),
            "suggestions": reading.suggestions(who, now=now),
        }
        return Response(CardShape(told).data)


class CardAnswer(FromAnotherPage):
    """One of the four answers, from the card."""

    scopes = {"POST": SCOPES.CARD}

    @extend_schema(operation_id="card_answer", request=AnswerShape, responses={200: AnswerShape, **PROBLEMS})
    def post(self, request: Request, decision_id: UUID) -> Response:
        now = timezone.now()
        given = AnswerShape(data=request.data)
        given.is_valid(raise_exception=True)
        who = reading.learner(self.learner_id(request), Scope.NUDGE)
        decision = reading.answerable(who, decision_id)
        answers.answer(
            decision=decision, kind=given.validated_data["kind"], text=given.validated_data["text"], now=now
        )
        audit.record(
            actor=Party("learner", who.pk),
            action="suggestion.answered_by_card",
            target=Party("learner", who.pk),
            now=now,
            detail={"decision": str(decision.pk), "kind": given.validated_data["kind"]},
        )
        return Response({"kind": given.validated_data["kind"], "text": given.validated_data["text"]})


@login_not_required  # holds nothing; the pass is in the fragment, which never reaches a server
@xframe_options_exempt  # frame-ancestors below says who may
@require_safe
def frame(request: HttpRequest) -> HttpResponse:
    """A page that is only the card, for a frame on an LMS's page."""
    page = render(request, "card_frame.html")
    allowed = " ".join(settings.CARD_ORIGINS) or "'none'"
    page.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {allowed}"
    )
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
