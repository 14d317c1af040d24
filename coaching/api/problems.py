"""Errors as problem details (RFC 9457): one shape for all of them, and never anything about a person."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import reverse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be understood",
    401: "A token is needed",
    403: "This token may not do that",
    404: "There is no such thing",
    405: "This address does not take this method",
    406: "Only JSON is spoken here",
    409: "That does not fit what is there",
    415: "Only JSON is read here",
    429: "Too many requests",
}


class ConsentRefused(exceptions.APIException):
    """The learner does not allow this use of their data."""

    status_code = 403
    default_code = "consent_refused"
    default_detail = "The learner does not allow this use of their data."


class ProblemRenderer(JSONRenderer):
    media_type = MEDIA_TYPE
    format = "problem"


def answer(fault: Exception, context: dict[str, Any]) -> Response | None:
    """The problem that a fault is; None for what is a fault of ours."""
    if isinstance(fault, Http404):
        fault = exceptions.NotFound()
    elif isinstance(fault, PermissionDenied):
        fault = exceptions.PermissionDenied()
    if not isinstance(fault, exceptions.APIException):
        return None
    set_rollback()
    headers = {}
    if getattr(fault, "auth_header", None):
        headers["WWW-Authenticate"] = fault.auth_header
    if getattr(fault, "wait", None):
        headers["Retry-After"] = str(int(fault.wait))
    told = Response(_problem(fault), status=fault.status_code, headers=headers, content_type=MEDIA_TYPE)
    return told


def _problem(fault: exceptions.APIException) -> dict[str, Any]:
    is_consent = isinstance(fault, ConsentRefused)
    problem: dict[str, Any] = {
        "type": "urn:rekindle:problem:consent-refused" if is_consent else "about:blank",
        "title": TITLES.get(fault.status_code, "It did not work"),
        "status": fault.status_code,
    }
    if isinstance(fault, exceptions.ValidationError):
        problem["errors"] = fault.detail
    else:
        problem["detail"] = str(fault.detail)
    return problem


@login_not_required  # says that an address is not there, to anybody
def not_found(request: HttpRequest, rest: str = "") -> JsonResponse:
    """An address below /api/ that is not there."""
    problem = {
        "type": "about:blank",
        "title": TITLES[404],
        "status": 404,
        "detail": f"{reverse('api_schema')} describes every address.",
    }
    return JsonResponse(problem, status=404, content_type=MEDIA_TYPE)
