"""The alternate request syntax of xAPI 1.0.3 (Communication 1.3): any request, folded into a POSTed form.

For browsers that could not set headers across origins. Everything that would be a header or a parameter is a field
of the form, the body is its field ``content``, and ``method`` in the address says what is really meant.
"""

from io import BytesIO
from urllib.parse import urlencode

from django.core.exceptions import TooManyFieldsSent
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, QueryDict

from signals.xapi.wire import BadRequest, body_of

FORM = "application/x-www-form-urlencoded"
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
# Field → the name by which WSGI knows the header.
_HEADERS = {
    "authorization": "HTTP_AUTHORIZATION",
    "x-experience-api-version": "HTTP_X_EXPERIENCE_API_VERSION",
    "content-type": "CONTENT_TYPE",
    "if-match": "HTTP_IF_MATCH",
    "if-none-match": "HTTP_IF_NONE_MATCH",
    "accept": "HTTP_ACCEPT",
    "accept-language": "HTTP_ACCEPT_LANGUAGE",
}


def is_folded(request: HttpRequest) -> bool:
    """Whether this request stands for another one."""
    return "method" in request.GET


def unfold(request: HttpRequest) -> HttpRequest:
    """The request that is meant. Raises BadRequest."""
    method = request.GET["method"].upper()
    if request.method != "POST":
        raise BadRequest("method", "goes with POST alone", "Send the request in its plain form, or POST it.")
    if len(request.GET) > 1:
        raise BadRequest("method", "is not the only parameter", "Send everything else as fields of the form.")
    if method not in METHODS:
        raise BadRequest("method", "is not one we serve", f"Send one of {', '.join(METHODS)}.")
    fields = _fields(request)
    meta = {name: value for name, value in request.META.items() if name not in ("HTTP_CONTENT_ENCODING",)}
    content = fields.pop("content", "").encode()
    meta["CONTENT_TYPE"] = "application/json"
    parameters = []
    for name, value in fields.items():
        header = _HEADERS.get(name.lower())
        if header is not None:
            meta[header] = value
        elif name.lower() != "content-length":
            parameters.append((name, value))
    meta |= {
        "REQUEST_METHOD": method,
        "QUERY_STRING": urlencode(parameters),
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": BytesIO(content),
    }
    if meta.get("HTTP_X_EXPERIENCE_API_VERSION", "1").startswith("2"):
        raise BadRequest(
            "method",
            "belongs to xAPI 1.0",
            "In xAPI 2.0 send the request in its plain form, with its own method.",
        )
    return WSGIRequest(meta)


def _fields(request: HttpRequest) -> dict[str, str]:
    body = body_of(request)
    try:
        form = QueryDict(body or "", encoding="utf-8")
    except TooManyFieldsSent as error:
        raise BadRequest(
            "body", "has too many fields", "Send one statement, or one document, a request."
        ) from error
    for name, values in form.lists():
        if len(values) > 1:
            raise BadRequest(name[:80], "is sent more than once", "Send each field once.")
    return form.dict()
