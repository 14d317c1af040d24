"""Reading by remembered parts says exactly what reading whole statements says."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from signals import reading
from signals.xapi import parts

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)
PUT_ID = UUID("6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d001")

AGENTS: list[Any] = [
    {"mbox": "mailto:ada@example.com"},
    {"objectType": "Agent", "account": {"homePage": "https://hr.example.com", "name": "ada"}},
    {"mbox_sha1sum": "a" * 40, "name": "Ada"},
    {"openid": "https://ada.example.com"},
    {"objectType": "Group", "member": [{"mbox": "mailto:ada@example.com"}]},
    {"objectType": "Group", "mbox": "mailto:team@example.com"},
    {"mbox": "ada@example.com"},
    {"mbox": "mailto:ada@example.com", "openid": "https://ada.example.com"},
    {"account": {"name": "ada"}},
    {"mbox": "mailto:ada@example.com", "age": 36},
    {},
    None,
    "ada",
]
VERBS: list[Any] = [
    {"id": "http://adlnet.gov/expapi/verbs/passed", "display": {"en": "passed"}},
    {"id": "http://adlnet.gov/expapi/verbs/voided"},
    {"id": "passed"},
    {"id": "http://adlnet.gov/expapi/verbs/passed", "display": "passed"},
    {"id": 3},
    {},
    None,
]
OBJECTS: list[Any] = [
    {"id": "https://lms.example.com/unit/1"},
    {
        "objectType": "Activity",
        "id": "https://lms.example.com/unit/2",
        "definition": {"type": "http://adlnet.gov/expapi/activities/course", "name": {"en": "Two"}},
    },
    {"id": "https://lms.example.com/unit/3", "definition": {"name": {"not a language": "x"}}},
    {"id": "unit 4"},
    {"objectType": "StatementRef", "id": "6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d009"},
    {"objectType": "Agent", "mbox": "mailto:ada@example.com"},
    {
        "objectType": "SubStatement",
        "actor": {"mbox": "mailto:ada@example.com"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {"id": "https://lms.example.com/unit/5"},
    },
    [],
    None,
]
RESULTS: list[Any] = [
    {"score": {"scaled": 0.5}, "success": True, "duration": "PT1H"},
    {"score": {"scaled": 2}},
    {"extensions": {"https://w3id.org/rekindle/xapi/count": 3}},
    {"duration": "an hour"},
    None,
]
CONTEXTS: list[Any] = [
    {
        "registration": "6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d002",
        "contextActivities": {
            "parent": {"id": "https://lms.example.com/course/1"},
            "grouping": [{"id": "https://lms.example.com/program/1"}],
            "other": [{"id": "https://lms.example.com/other/1"}],
        },
    },
    {"instructor": {"mbox": "mailto:grace@example.com"}, "platform": "LMS", "language": "en"},
    {"team": {"mbox": "mailto:ada@example.com"}},
    {"registration": "6b0d9f5c"},
    {"statement": {"objectType": "StatementRef", "id": "6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d002"}},
    {},
    None,
]
IDS: list[Any] = [
    "6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d001",
    "6B0D9F5C-0F5C-4C55-9B7D-3A0A7CF1D003",
    "6b0d9f5c0f5c4c559b7d3a0a7cf1d001",
    "{6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d01",
    "6b0d9f5c-0f5c-4c55-9b7d-3a0a7cf1d00g",
    "",
    17,
    None,
]
MOMENTS: list[Any] = [
    "2025-03-01T10:20:30Z",
    "2025-03-01T10:20:30.123+00:00",
    "2025-03-01T10:20:30.123456789Z",
    "2025-03-01T10:20:30+01:00",
    "2025-03-01T10:20:30",
    "2025-03-01T10:20:30-00:00",
    "2025-02-30T10:20:30Z",
    "2025-03-01T24:00:00Z",
    "2025-03-01",
    "",
    5,
    None,
]
VERSIONS: list[Any] = ["1.0.3", "2.0.0", "0.9", "", None]
ABSENT = object()


def maybe(values: list[Any], share: int = 3) -> Any:
    """One of the values, mostly one of the first, or nothing."""
    return some.one_of(some.just(ABSENT), some.sampled_from(values[:share]), some.sampled_from(values))


STATEMENTS = some.fixed_dictionaries(
    {
        "id": maybe(IDS, 2),
        "actor": maybe(AGENTS, 4),
        "verb": maybe(VERBS, 1),
        "object": maybe(OBJECTS, 2),
        "result": maybe(RESULTS, 1),
        "context": maybe(CONTEXTS, 2),
        "timestamp": maybe(MOMENTS, 4),
        "stored": maybe(MOMENTS),
        "version": maybe(VERSIONS, 2),
        "authority": maybe(AGENTS, 4),
        "unheard-of": maybe([1]),
    }
).map(lambda made: {name: value for name, value in made.items() if value is not ABSENT})


def whole(raw: bytes, **more: Any) -> Any:
    """What is read without remembered parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "parts_of", lambda raw: None)
        return reading.read(raw, 3, now=NOW, **more)


@settings(max_examples=300, deadline=None)
@given(statement=STATEMENTS, is_put=some.booleans())
def test_it_reads_the_same_as_without_remembering(statement: dict[str, Any], is_put: bool) -> None:
    raw = json.dumps(statement).encode()
    more: dict[str, Any] = {"statement_id": PUT_ID} if is_put else {}

    quick, quick_faults = reading.read(raw, 3, now=NOW, **more)
    slow, slow_faults = whole(raw, **more)

    assert quick_faults == slow_faults
    assert (quick is None) == (slow is None)
    if quick is not None and slow is not None:
        for name in (
            "statement",
            "occurred_at",
            "stored",
            "verb",
            "voids",
            "actor",
            "derives",
            "places",
            "digest",
        ):
            assert getattr(quick, name) == getattr(slow, name), name
        assert set(quick.keys()) == set(slow.keys())
        assert quick.id == slow.id or (not is_put and "id" not in statement)


def test_it_reads_the_common_form_by_its_parts() -> None:
    statement = {"actor": AGENTS[1], "verb": VERBS[0], "object": OBJECTS[1], "context": CONTEXTS[0]}

    assert parts.parts_of(json.dumps(statement).encode()) is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"actor": {"mbox": "mailto:a@example.com"}',
        b"\xff\xfe",
        b'{"actor": "\xff"}',
        b'{"actor":{"mbox":"mailto:a@example.com"},"verb":{"id":"http://a.example/v"},'
        b'"object":{"id":"http://a.example/o"},"timestamp":"\xff"}',
        b'{"actor":{"mbox":"mailto:\xff@example.com"},"verb":{"id":"http://a.example/v"},'
        b'"object":{"id":"http://a.example/o"}}',
    ],
)
def test_it_leaves_what_is_not_json_to_those_who_say_so(raw: bytes) -> None:
    quick, quick_faults = reading.read(raw, 3, now=NOW)

    assert quick is None
    assert quick_faults == whole(raw)[1] != []


def test_it_takes_the_last_of_two_properties_of_one_name_as_reading_it_whole_does() -> None:
    raw = (
        b'{"actor":{"mbox":"mailto:a@example.com"},"verb":{"id":"http://a.example/v"},'
        b'"object":{"id":"http://a.example/o"},"object":{"id":"http://a.example/p"}}'
    )

    quick, _ = reading.read(raw, 3, now=NOW)

    assert quick is not None
    assert quick.places == whole(raw)[0].places == ["http://a.example/p"]


def test_it_forgets_what_is_not_asked_for_again() -> None:
    made = []

    def make(value: Any) -> Any:
        made.append(value)
        return value

    remembered = parts._Remembered(make, 2)
    for number in (1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 2):
        remembered.get(str(number).encode())

    assert made.count(1) == 1
    assert made.count(2) == 2
