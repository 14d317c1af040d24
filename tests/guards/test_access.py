"""Signing in is required everywhere, except where this file says why not."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern


class Open(NamedTuple):
    """Why a view needs no sign-in, and what a stranger's GET is answered with."""

    reason: str
    statuses: tuple[int, ...] = (200,)


OPEN: dict[str, Open] = {
    "healthz": Open("asked by machines that watch the process; names nobody"),
    "readyz": Open("asked by machines that route traffic; counts seconds, names nobody", (200, 503)),
    "favicon.ico": Open("the browser's tab, also on the sign-in form; leads to a drawing", (302,)),
    "metrics": Open("asked by Prometheus, which shows a token instead of signing in", (401,)),
    "sign-in/": Open("where a stranger signs in"),
    "admin/login/": Open("the admin's own way to the sign-in form", (200, 302)),
    "xapi/statements": Open("asks for the standard's version, then a credential", (400, 401)),
    "xapi/activities": Open("asks for the standard's version, then a credential", (400, 401)),
    "xapi/activities/state": Open("asks for the standard's version, then a credential", (400, 401)),
    "xapi/activities/profile": Open("asks for the standard's version, then a credential", (400, 401)),
    "xapi/agents/profile": Open("asks for the standard's version, then a credential", (400, 401)),
    "xapi/agents": Open("asks for the standard's version, then a credential", (400, 401)),
    "api/schema/": Open("describes the API to whoever writes against it; names nobody"),
    "^api/(?P<rest>.*)$": Open("says in JSON that an address of the API is not there", (404,)),
    "api/v1/learners/find/": Open("systems show a token of their own (RFC 6750)", (401,)),
    "api/v1/learners/<uuid:learner_id>/risk/": Open("as above", (401,)),
    "api/v1/learners/<uuid:learner_id>/suggestions/": Open("as above", (401,)),
    "api/v1/learners/<uuid:learner_id>/suggestions/<uuid:decision_id>/answer/": Open("as above", (401,)),
    "api/v1/episodes/": Open("as above", (401,)),
    "api/v1/policy/": Open("as above", (401,)),
    "api/v1/card-passes/": Open("as above", (401,)),
    "api/v1/card/": Open("a learner's browser shows a pass of ten minutes that a token made", (401,)),
    "api/v1/card/<uuid:decision_id>/answer/": Open("as above", (401,)),
    "embed/card/": Open("an empty frame for an LMS's page; what fills it needs a pass"),
    "open-pages/<slug:name>/": Open(
        "asked twice a second without a cookie; a random word, of nobody by name"
    ),
    "answers/<str:token>/": Open(
        "one tap in a message; a signed link that ends, for that one answer", (404,)
    ),
    "unsubscribe/<str:token>/": Open("no more messages, also by a mail program (RFC 8058); signed", (404,)),
    "calendar/<str:token>/": Open("a message's calendar entry; a signed link that ends", (404,)),
    "mail/events/": Open("a mail provider reports bounces, signed; not there without one", (404,)),
    "sources/hooks/<slug:name>": Open(
        "a Git forge calls, and signs its body with the feed's secret; answers a stranger 401", (405,)
    ),
    "scim/v2/<str:kind>": Open("identity providers show a token of their own (RFC 6750)", (401,)),
    "scim/v2/<str:kind>/<str:name>": Open("as above: one user or group", (401,)),
    "xapi/about": Open("the standard: a client asks for the versions before it signs in"),
}

SAMPLES = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "int": "1",
    "str": "x",
    "slug": "x",
    "path": "x",
}


class Address(NamedTuple):
    route: str  # as written in the URLconf
    example: str | None  # a path that leads there; None where the URLconf uses a regular expression
    callback: Any


def walk(patterns: list[Any], prefix: str = "", is_plain: bool = True) -> Iterator[Address]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        plain = is_plain and isinstance(entry.pattern, RoutePattern)
        if isinstance(entry, URLResolver):
            yield from walk(entry.url_patterns, route, plain)
        elif isinstance(entry, URLPattern):
            yield Address(route, "/" + fill(route) if plain else None, entry.callback)


def fill(route: str) -> str:
    """The route with a sample in the place of each parameter."""

    def sample(match: re.Match[str]) -> str:
        converter = match.group(1)
        return SAMPLES.get(converter[:-1] if converter else "str", "x")

    return re.sub(r"<(\w+:)?\w+>", sample, route)


ADDRESSES = list(walk(get_resolver().url_patterns))
GUARDED = [address for address in ADDRESSES if address.route not in OPEN]


@pytest.mark.parametrize("address", GUARDED, ids=lambda address: address.route)
def test_it_requires_signing_in(address: Address) -> None:
    is_required = getattr(address.callback, "login_required", True)

    assert is_required, f"{address.route} is open to strangers: add it to OPEN with the reason, or close it"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", [address for address in GUARDED if address.example], ids=lambda address: address.route
)
def test_it_shows_a_stranger_nothing(address: Address, client: Client) -> None:
    assert address.example is not None

    answer: Any = client.get(address.example)

    assert answer.status_code in (302, 401, 403), f"{address.example} answered {answer.status_code}"
    if answer.status_code == 302:
        assert is_sign_in(answer), f"{address.example} leads a stranger to {answer.headers['Location']}"


def is_sign_in(answer: HttpResponse) -> bool:
    location = answer.headers["Location"].split("?")[0]
    return location.startswith(("/sign-in", "/login", "/accounts/login", "/admin/login"))


@pytest.mark.django_db
@pytest.mark.parametrize("route", OPEN)
def test_it_keeps_no_stale_exception(route: str, client: Client) -> None:
    found = [address for address in ADDRESSES if address.route == route]

    assert found, f"{route} is no address any more: remove it from OPEN"
    assert all(not getattr(one.callback, "login_required", True) for one in found), (
        f"{route} needs no exception"
    )
    for one in found:
        if one.example is not None:
            assert client.get(one.example).status_code in OPEN[route].statuses
