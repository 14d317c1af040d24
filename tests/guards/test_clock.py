"""Only the edges read the clock; the domain is told what time it is, so that the past can be replayed."""

import ast
from pathlib import Path

import pytest

from config.env import BASE_DIR
from tests.guards.project import APPS, source_files

EDGES = {"views.py", "tasks.py", "admin.py", "middleware.py"}
EDGE_DIRECTORIES = {"views", "api", "management", "migrations"}
# Modules beside the edges that may ask for the time, and why.
ALLOWED: dict[str, str] = {}

CLOCKS = {
    ("timezone", "now"),
    ("timezone", "localtime"),
    ("timezone", "localdate"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
}


def domain_modules() -> list[Path]:
    return [
        path
        for path in source_files(*APPS)
        if path.name not in EDGES and not EDGE_DIRECTORIES & set(path.parts[:-1])
    ]


def clock_reads(path: Path) -> list[str]:
    """Where the module reads a clock, or hands one on (`default=timezone.now`)."""
    tree = ast.parse((BASE_DIR / path).read_text(), filename=str(path))
    passed_in = {
        id(node.func)
        for node in ast.walk(tree)
        # timezone.localtime(moment) converts what it is given: not a clock.
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("localtime", "localdate")
        and node.args
    }
    return [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and id(node) not in passed_in
        and (ast.unparse(node.value).rpartition(".")[2], node.attr) in CLOCKS
    ]


def test_it_is_told_what_time_it_is() -> None:
    found = [read for path in domain_modules() if str(path) not in ALLOWED for read in clock_reads(path)]

    assert not found, "pass `now` in instead: " + ", ".join(found)


@pytest.mark.parametrize("name", ALLOWED)
def test_it_keeps_no_stale_exception(name: str) -> None:
    assert clock_reads(Path(name)), f"{name} no longer reads the clock: remove it from ALLOWED"
