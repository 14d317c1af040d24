"""Declared attributes are for those who audit a model: nothing that computes a risk or decides may read them."""

import re

import pytest

from tests.guards.project import source_files

# Who may: where they live and leave, and who looks whether a model treats groups alike.
MAY = (
    "learners/models/",
    "learners/migrations/",
    "learners/declared.py",
    "learners/privacy.py",
    "learners/merging/",
    "learners/admin.py",
    "coaching/demo/",
    "signals/training/",
    "signals/monitoring/",
)
WORDS = re.compile(r"DeclaredAttribute|learners\.declared|\.declared\b")
FILES = {
    path.as_posix(): path
    for path in source_files("consent", "learners", "signals", "interventions", "coaching", "config")
    if not path.as_posix().startswith(MAY)
}


def test_it_reads_declared_attributes_only_where_fairness_is_audited() -> None:
    reading = [name for name, path in FILES.items() if WORDS.search(path.read_text(encoding="utf-8"))]

    assert not reading


@pytest.mark.parametrize("name", ["gender", "disability", "age_band", "deprivation_band", "imd_band"])
def test_it_names_no_feature_after_one(name: str) -> None:
    from signals.features.definitions import FEATURES

    assert not [feature.key for feature in FEATURES if name in feature.key]


def test_it_finds_the_files_it_speaks_of() -> None:
    assert "signals/features/definitions.py" in FILES
