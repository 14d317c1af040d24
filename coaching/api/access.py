"""Who asks, what they may, and how often. A view without a declared scope lets nobody in."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.throttling import BaseThrottle

from interventions import links, tokens
from interventions.links import Purpose
from interventions.models import ApiToken
from signals.xapi import rate

CARD_PER_MINUTE = 60  # of one learner's card


@dataclass(frozen=True)
class Caller:
    """A system with its token; for a pass of the embedded card, also whose card it is."""

    token: ApiToken
    learner_id: UUID | None = None
    is_authenticated: bool = True


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer rk-api-…`` (RFC 6750)."""

    def authenticate(self, request: Any) -> tuple[Caller, ApiToken] | None:
        text = _bearer(request)
        if text is None:
            return None
        try:
            token = tokens.recognise(text, now=timezone.now())
        except tokens.NotRecognised:
            raise AuthenticationFailed("This token is unknown, has ended, or was taken back.") from None
        return Caller(token), token

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="Rekindle"'


class CardAuthentication(BaseAuthentication):
    """``Authorization: Bearer`` with a pass for one learner's card, as POST /card-passes/ makes them."""

    def authenticate(self, request: Any) -> tuple[Caller, ApiToken] | None:
        text = _bearer(request)
        if text is None:
            return None
        now = timezone.now()
        try:
            link = links.read(Purpose.CARD, text, now=now)
            # A pass ends with the token that it was made with.
            token = ApiToken.objects.filter(
                pk=UUID(hex=link.detail), is_active=True, expires_at__gt=now
            ).first()
        except (links.LinkNotGood, ValueError):
            token = None
        if token is None or ApiToken.Scope.CARD not in token.scopes:
            raise AuthenticationFailed("This pass is not good, or its time is over.")
        return Caller(token, learner_id=link.about), token

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="Rekindle card"'


class HasScope(BasePermission):
    """The scope that the view declares for this method: ``scopes = {"GET": …}``. Nothing declared: nobody."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not isinstance(request.user, Caller):
            return False
        wanted = getattr(view, "scopes", {}).get("GET" if request.method == "HEAD" else request.method)
        return wanted is not None and wanted in request.user.token.scopes


class PerToken(BaseThrottle):
    """So many requests of one token in a minute; 0: no limit. A learner's card counts by learner."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Any, view: Any) -> bool:
        now = timezone.now()
        caller = request.user
        if not isinstance(caller, Caller):
            return True  # turned away next, by HasScope
        if caller.learner_id is not None:
            allowed = rate.allows(f"card:{caller.learner_id}", CARD_PER_MINUTE, now=now)
        else:
            most = caller.token.per_minute
            allowed = most == 0 or rate.allows(f"api:{caller.token.pk}", most, now=now)
        self._wait = None if allowed else float(rate.seconds_left(now))
        return allowed

    def wait(self) -> float | None:
        return self._wait


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library is untyped
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A token from the admin or api_token."}


class CardScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = CardAuthentication
    name = "card"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A pass from POST /api/v1/card-passes/."}


def _bearer(request: HttpRequest) -> str | None:
    scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
    return text.strip() if scheme.lower() == "bearer" and text.strip() else None
