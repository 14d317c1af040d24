"""`/favicon.ico`: where a browser looks for the sign on its tab when a page names none, as the admin's do not."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe


@login_not_required  # asked for on the sign-in form too; a drawing, the same for everybody
@cache_control(public=True, max_age=86_400)
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """The one drawing there is, under the name it has in this installation."""
    return redirect(static("favicon.svg"))
