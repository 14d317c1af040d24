"""Addresses that other systems call, below /sources/."""

from django.urls import URLPattern, path

from signals.sources.views import hook

urlpatterns: list[URLPattern] = [path("hooks/<slug:name>", hook, name="source_hook")]
