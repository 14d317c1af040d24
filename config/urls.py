"""Every address of the product."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

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
    path("mail/events/", mail_events, name="mail_events"),
    path("", include("coaching.urls")),
]
