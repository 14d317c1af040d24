"""SCIM over HTTP: who asks, and the form of the answer."""

import json
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from learners.scim import clients

if TYPE_CHECKING:
    from learners.scim.serving import Answer

CONTENT_TYPE = "application/scim+json"
LARGEST = 4 * 1024 * 1024


@csrf_exempt
@login_not_required
def scim(request: HttpRequest, kind: str, name: str = "") -> HttpResponse:
    """Any SCIM request. The standard's models take half a second to load, so they are loaded by the first one."""
    from learners.scim import serving

    now = timezone.now()
    try:
        client = clients.recognise(request.headers.get("Authorization", ""), now=now)
    except clients.NotRecognised:
        refused = _response(serving.fault(401, "Show a token: Authorization: Bearer …"))
        refused.headers["WWW-Authenticate"] = 'Bearer realm="scim"'
        return refused
    if int(request.headers.get("Content-Length") or 0) > LARGEST:
        return _response(serving.fault(413, f"At most {LARGEST // 1024 // 1024} MB at once."))
    asked = serving.Asked(
        client=client,
        method=request.method or "GET",
        query=request.GET.dict(),
        body=request.body,
        if_match=request.headers.get("If-Match", ""),
        if_none_match=request.headers.get("If-None-Match", ""),
        now=now,
    )
    return _response(serving.answer(asked, kind, name))


def _response(answer: "Answer") -> HttpResponse:
    content = b"" if answer.body is None else json.dumps(answer.body, ensure_ascii=False).encode()
    response = HttpResponse(
        content, status=answer.status, content_type=CONTENT_TYPE, headers=dict(answer.headers)
    )
    response.headers["Cache-Control"] = "no-store"
    return response
