"""The learning record store's addresses, below /xapi/."""

from django.urls import URLPattern, path

from signals.xapi.views.about import about
from signals.xapi.views.statements import statements

urlpatterns: list[URLPattern] = [
    path("statements", statements, name="xapi_statements"),
    path("about", about, name="xapi_about"),
]
