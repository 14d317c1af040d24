"""The addresses of what people see and do."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
