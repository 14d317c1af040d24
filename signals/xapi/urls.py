"""The learning record store's addresses, below /xapi/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
