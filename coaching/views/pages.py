"""What every page does first: whose it is, which clock it shows, and whether a part of it is enough."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django_htmx.http import trigger_client_event

from learners.models import Role, User
from learners.zones import known_zones, organisation_zone

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def for_role(*roles: Role) -> Callable[[View[P]], View[P]]:
    """Lets in people with one of these roles (others get 403), on their own clock; no browser or proxy keeps a page."""

    def decorate(view: View[P]) -> View[P]:
        @never_cache
        @wraps(view)
        def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            user = person(request)
            if not any(user.has_role(role) for role in roles):
                raise PermissionDenied
            with timezone.override(zone_of(user)):
                return view(request, *args, **kwargs)

        return page

    return decorate


def for_learner(view: View[P]) -> View[P]:
    """The same for a learner's own pages, which are in the learner's language: words, days, what forms complain of."""

    @for_role(Role.LEARNER)
    @wraps(view)
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        learner = person(request).learner
        with translation.override(
            "de" if learner is not None and learner.language.startswith("de") else "en"
        ):
            return view(request, *args, **kwargs)

    return page


def person(request: HttpRequest) -> User:
    """Who is signed in."""
    return cast(User, request.user)


def zone_of(user: User) -> ZoneInfo:
    """The clock a user reads."""
    return ZoneInfo(user.time_zone) if user.time_zone in known_zones() else organisation_zone()


def is_part(request: HttpRequest) -> bool:
    """Does the page ask for its changing part only?"""
    htmx = cast(Any, request).htmx
    return bool(htmx) and not htmx.history_restore_request


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    part: str,
    status: int = 200,
    say: str = "",
    focus: str = "",
) -> HttpResponse:
    """The page, or its part where that was asked for; a part tells what happened and where the focus goes."""
    name = f"{template}#{part}" if is_part(request) else template
    if say and not is_part(request):
        messages.info(request, say)
    answer = render(request, name, {**context, "status_text": say}, status=status)
    patch_vary_headers(answer, ["HX-Request"])
    if focus and is_part(request):
        trigger_client_event(answer, "focusOn", {"id": focus}, after="settle")
    return answer
