"""Every address of the product."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from coaching.api.card import frame as card_frame
from coaching.api.problems import not_found as api_not_found
from config import favicon, health, metrics
from interventions.views.mail_events import mail_events

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("favicon.ico", favicon.favicon, name="favicon"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("xapi/", include("signals.xapi.urls")),
    path("sources/", include("signals.sources.urls")),
    path("scim/v2/", include("learners.scim.urls")),
    path("api/", include("coaching.api.urls")),
    re_path(r"^api/(?P<rest>.*)$", api_not_found),
    path("embed/card/", card_frame, name="card_frame"),
    path("mail/events/", mail_events, name="mail_events"),
    path("", include("coaching.urls")),
]
