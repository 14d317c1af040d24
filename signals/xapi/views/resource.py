"""What stands before every resource of the record store: method, version, credential; and errors as answers."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from signals import refusals
from signals.models import Credential
from signals.xapi import alternate
from signals.xapi.admission import admit
from signals.xapi.consistency import consistent_through
from signals.xapi.credentials import MayNot, NotRecognised
from signals.xapi.faults import StatementConflict, StatementFaults
from signals.xapi.primitives import is_version
from signals.xapi.rate import NotNow
from signals.xapi.wire import (
    NEWEST_1,
    NEWEST_2,
    THROUGH_HEADER,
    VERSION_HEADER,
    BadRequest,
    faulty,
    refusal,
    stamp,
    version_of,
)

View = Callable[[HttpRequest, Credential, datetime], HttpResponse]


def resource(methods: Iterable[str]) -> Callable[[View], Callable[[HttpRequest], HttpResponse]]:
    """Makes a view into one of the record store's resources: it gets the caller's credential and the time."""
    allowed = [*methods]

    def make(view: View) -> Callable[[HttpRequest], HttpResponse]:
        @csrf_exempt
        @login_not_required
        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            now = timezone.now()
            response, meant = _guarded(view, request, now, allowed)
            response[VERSION_HEADER] = version_of(meant)
            if THROUGH_HEADER not in response:
                response[THROUGH_HEADER] = stamp(consistent_through(now=now))
            return response

        return answer

    return make


def _guarded(
    view: View, request: HttpRequest, now: datetime, allowed: list[str]
) -> tuple[HttpResponse, HttpRequest]:
    """(the answer, the request that was meant: another one where it came folded into a form)."""
    try:
        if alternate.is_folded(request):
            request = alternate.unfold(request)
    except BadRequest as error:
        return refusal(error.status, [(error.where, error.fault, error.mend)]), request
    except RequestDataTooBig:
        return _too_big(), request
    return _answered(view, request, now, allowed), request


def _answered(view: View, request: HttpRequest, now: datetime, allowed: list[str]) -> HttpResponse:
    try:
        if request.method not in allowed:
            response = refusal(405, [("method", "is not served here", f"Use one of {', '.join(allowed)}.")])
            response["Allow"] = ", ".join(allowed)
            return response
        _check_version(request)
        credential = admit(request, now=now)
        with refusals.counted(request, credential, now=now):
            return view(request, credential, now)
    except NotRecognised as error:
        mend = "Send Basic credentials made by manage.py lrs_client, or a token of an issuer trusted here."
        response = refusal(401, [("Authorization", str(error), mend)])
        response["WWW-Authenticate"] = 'Basic realm="Rekindle record store", charset="UTF-8", Bearer'
        return response
    except NotNow as error:
        response = refusal(error.status, [(error.where, error.fault, error.mend)])
        response["Retry-After"] = str(error.retry_after_s)
        return response
    except MayNot as error:
        return refusal(403, [("Authorization", "lacks a permission", str(error))])
    except BadRequest as error:
        return refusal(error.status, [(error.where, error.fault, error.mend)])
    except RequestDataTooBig:
        return _too_big()
    except StatementFaults as error:
        return faulty(error.faults)
    except StatementConflict as error:
        return refusal(
            409,
            [
                (f"id {key}", "is already stored with other content", "Give a new statement a new id.")
                for key in error.ids
            ],
        )


def _too_big() -> HttpResponse:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return refusal(413, [("body", f"is more than {most} bytes", "Send fewer statements, or smaller files.")])


def _check_version(request: HttpRequest) -> None:
    sent = request.headers.get(VERSION_HEADER)
    if sent is None:
        raise BadRequest(VERSION_HEADER, "is missing", f"Send {NEWEST_1} or {NEWEST_2}.")
    if not is_version(sent):
        raise BadRequest(VERSION_HEADER, "is not a version we speak", f"Send {NEWEST_1} or {NEWEST_2}.")
