"""SCIM's addresses, below /scim/v2/."""

from django.urls import URLPattern, path

from learners.scim.views import scim

urlpatterns: list[URLPattern] = [
    path("<str:kind>", scim, name="scim"),
    path("<str:kind>/<str:name>", scim, name="scim_one"),
]
