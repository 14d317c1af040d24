"""Finds each app's ``privacy.py``: what it can export, erase and withdraw, and which of its fields are personal.

This is the one declared exception to the import order: consent calls upwards, in the caller's transaction.
"""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from django.apps import apps


class KeptElsewhereFault(Exception):
    """What an app keeps outside of the database cannot be read or written now. The message says what, and why."""


class Fields(NamedTuple):
    """A model's fields, each declared personal or not."""

    personal: tuple[str, ...]
    other: tuple[str, ...]


ORDER = ("coaching", "interventions", "signals", "learners", "consent")


@lru_cache(maxsize=1)
def privacy_modules() -> tuple[tuple[str, ModuleType], ...]:
    """(app label, its privacy module), top app first."""
    installed = {config.label for config in apps.get_app_configs()}
    return tuple(
        (label, import_module(f"{label}.privacy"))
        for label in ORDER
        if label in installed and find_spec(f"{label}.privacy") is not None
    )
