"""What open pages ask again and again: has anything been withdrawn?"""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from coaching import open_pages


@login_not_required  # one random word for an address that only the page knows; asked without a cookie
@require_safe
def word(request: HttpRequest, name: str) -> HttpResponse:
    """The word of these pages; nothing (204) where the cache cannot be asked."""
    said = open_pages.word(name)
    answer = HttpResponse(said or "", content_type="text/plain", status=204 if said is None else 200)
    answer.headers["Cache-Control"] = "no-store"
    origin = request.headers.get("Origin", "")
    if origin in settings.CARD_ORIGINS:  # the embedded card asks from the LMS's page
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Vary"] = "Origin"
    return answer
