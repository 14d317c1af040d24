"""/xapi/about: what this record store speaks."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from signals.xapi.wire import NEWEST_1, NEWEST_2, VERSION_HEADER, json_response, version_of


@login_not_required
@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """What this record store speaks; anybody may ask, without credentials and without a version."""
    # A client of 1.0 is told of 1.0 alone: some (tincan for Python) stumble over a version they do not know.
    speaks_1 = request.headers.get(VERSION_HEADER, "").startswith("1.")
    response = json_response({"version": [NEWEST_1] if speaks_1 else [NEWEST_1, NEWEST_2], "extensions": {}})
    response[VERSION_HEADER] = version_of(request)
    return response
