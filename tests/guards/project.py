"""The project as the guards see it: its apps, files and models."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Model

from config.env import BASE_DIR

# From the top to the floor: each may know those to its right (docs/architecture.md).
APPS = ("coaching", "interventions", "signals", "learners", "consent")


def project_models() -> list[type[Model]]:
    """Every model of our apps, as migrations know them."""
    return [model for label in APPS for model in apps.get_app_config(label).get_models()]


def source_files(*directories: str) -> Iterator[Path]:
    """Python files below these directories, relative to the checkout."""
    for directory in directories:
        for path in sorted((BASE_DIR / directory).rglob("*.py")):
            yield path.relative_to(BASE_DIR)


def tracked_files() -> list[Path]:
    """What git would hand to somebody who clones; skips where this is no git checkout."""
    try:
        listed = subprocess.run(
            ["git", "-c", f"safe.directory={BASE_DIR}", "ls-files", "-z"],
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout")
    return [Path(name) for name in listed.stdout.split("\0") if name and (BASE_DIR / name).is_file()]
