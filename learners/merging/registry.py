"""Finds each upper app's ``merging.py``: what it moves when two learners' records become one.

Like ``privacy.py`` (consent.registry), a declared exception to the import order: learners calls upwards, in its own
transaction. Which functions such a module may have is said in docs/identity.md.
"""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from django.apps import apps

from consent.registry import ORDER

_HERE = "learners"


@lru_cache(maxsize=1)
def merging_modules() -> tuple[tuple[str, ModuleType], ...]:
    """(app label, its merging module) of the apps above this one, lowest first: facts before what follows."""
    installed = {config.label for config in apps.get_app_configs()}
    above = ORDER[: ORDER.index(_HERE)]
    return tuple(
        (label, import_module(f"{label}.merging"))
        for label in reversed(above)
        if label in installed and find_spec(f"{label}.merging") is not None
    )
