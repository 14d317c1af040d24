"""The recipe in docs/sources.md, run as it is written there."""

import re
from datetime import timedelta

import pytest

from config.env import BASE_DIR
from signals.models import Event, Lineage, Verb
from signals.sources import SOURCES, Source
from tests.support.sources import NOW, bring, counts, known

pytestmark = pytest.mark.django_db

DOCUMENT = (BASE_DIR / "docs" / "sources.md").read_text()
FILE = "person,month,hours\nanna@example.com,2026-01,{}\nanna@example.com,2025-12,4\n"


@pytest.fixture
def mentoring(monkeypatch: pytest.MonkeyPatch) -> Source:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, type[Source]] = {"__name__": "recipe"}  # type: ignore[dict-item]
    exec(compile(code, "docs/sources.md", "exec"), names)
    source = names["Mentoring"]()
    monkeypatch.setitem(SOURCES, source.name, source)
    return source


def test_the_recipe_makes_events(mentoring: Source) -> None:
    anna = known()

    report = bring("mentoring", FILE.format('"2,5"'))

    events = Event.objects.order_by("occurred_at")
    assert counts(report) == {"new": 2}
    assert [(event.learner_id, event.verb, event.duration_s) for event in events] == [
        (anna.pk, Verb.CONTRIBUTED, 4 * 3600),
        (anna.pk, Verb.CONTRIBUTED, 9000),
    ]


def test_the_recipe_is_idempotent_and_corrects(mentoring: Source) -> None:
    known()
    bring("mentoring", FILE.format("2.5"))

    again = bring("mentoring", FILE.format("2.5"))
    corrected = bring("mentoring", FILE.format("3"), now=NOW + timedelta(days=1))

    assert counts(again) == {"same": 2}
    assert counts(corrected) == {"same": 1, "changed": 1}
    assert Lineage.objects.count() == 3


def test_the_recipe_says_what_to_mend(mentoring: Source) -> None:
    assert bring("mentoring", FILE.format("900"), dry_run=True).lines()[0] == (
        "line 2: hours are not between 0 and 300. Give the hours of one month."
    )


def test_every_source_is_in_the_document() -> None:
    assert not [name for name in SOURCES if f"`{name}`" not in DOCUMENT]
