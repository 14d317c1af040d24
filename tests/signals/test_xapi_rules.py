"""The standard's rules: each fault is found, at its place."""

from typing import Any

import pytest

from signals.xapi.faults import Faults
from signals.xapi.primitives import duration_seconds, is_iri, is_language, moment
from signals.xapi.sameness import says_the_same
from signals.xapi.statements import check_statement
from tests.support.signals import account, statement


def paths(sent: Any) -> set[str]:
    faults = Faults(0)
    check_statement(sent, faults)
    assert all(fault.fault and fault.mend for fault in faults.found)
    return {fault.path for fault in faults.found}


PERSON = account("person-0001")
ACTIVITY = {"id": "https://lms.example.com/page/1"}
SUB = {"objectType": "SubStatement", "actor": PERSON, "verb": statement()["verb"], "object": ACTIVITY}


@pytest.mark.parametrize(
    "more",
    [
        {"actor": {"mbox": "mailto:a@example.com", "name": "A", "objectType": "Agent"}},
        {"actor": {"objectType": "Group", "member": [PERSON]}},
        {"actor": {"objectType": "Group", "mbox": "mailto:team@example.com"}},
        {"object": SUB, "context": {}},
        {
            "object": {"objectType": "StatementRef", "id": "f1cd58aa-ad22-49e5-8567-d59d97d3b209"},
            "context": {},
        },
        {"object": {"objectType": "Agent", **PERSON}, "context": {}},
        {
            "result": {
                "score": {"scaled": -1, "raw": 1, "min": 0, "max": 9},
                "success": True,
                "duration": "P3Y1M29DT4H",
            }
        },
        {"result": {"extensions": {"https://example.com/free": None}}},
        {
            "context": {
                "team": {"objectType": "Group", "member": [PERSON]},
                "language": "en-GB",
                "revision": "1",
            }
        },
        {"context": {"contextAgents": [{"objectType": "contextAgent", "agent": PERSON}]}},
        {
            "context": {
                "statement": {"objectType": "StatementRef", "id": "f1cd58aa-ad22-49e5-8567-d59d97d3b209"}
            }
        },
        {
            "timestamp": "2025-03-01T09:30:00.123456789+01:00",
            "version": "1.0.3",
            "stored": "2025-03-01T09:30:00Z",
        },
        {
            "attachments": [
                {
                    "usageType": "https://example.com/proof",
                    "display": {"en": "Proof"},
                    "contentType": "application/pdf",
                    "length": 3,
                    "sha2": "ab" * 32,
                    "fileUrl": "https://example.com/proof.pdf",
                }
            ]
        },
        {
            "object": {
                **ACTIVITY,
                "definition": {
                    "interactionType": "choice",
                    "correctResponsesPattern": ["a"],
                    "choices": [{"id": "a", "description": {"en": "A"}}],
                },
            }
        },
    ],
)
def test_it_finds_nothing_wrong_with(more: dict[str, Any]) -> None:
    assert paths({**statement(), **more}) == set()


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"id": "not-a-uuid"}, "$.id"),
        ({"id": None}, "$.id"),
        ({"actor": None}, "$.actor"),
        ({"actor": {}}, "$.actor"),
        ({"actor": {**PERSON, "mbox": "mailto:a@example.com"}}, "$.actor"),
        ({"actor": {"mbox": "a@example.com"}}, "$.actor.mbox"),
        ({"actor": {"mbox_sha1sum": "abc"}}, "$.actor.mbox_sha1sum"),
        ({"actor": {"openid": "nope"}}, "$.actor.openid"),
        ({"actor": {"account": {"homePage": "nope", "name": "x"}}}, "$.actor.account.homePage"),
        ({"actor": {"account": {"homePage": "https://x.example"}}}, "$.actor.account.name"),
        ({"actor": {**PERSON, "name": 3}}, "$.actor.name"),
        ({"actor": {**PERSON, "objectType": "Person"}}, "$.actor.objectType"),
        ({"actor": {**PERSON, "member": []}}, "$.actor.member"),
        ({"actor": {"objectType": "Group"}}, "$.actor.member"),
        ({"actor": {"objectType": "Group", "member": [{}]}}, "$.actor.member[0]"),
        ({"actor": {"objectType": "Group", "member": [{"objectType": "Group"}]}}, "$.actor.member[0]"),
        ({"verb": {"display": {"en": "x"}}}, "$.verb.id"),
        ({"verb": {"id": "verb"}}, "$.verb.id"),
        ({"verb": {"id": "https://x.example/v", "display": {"not a tag": "x"}}}, "$.verb.display.not a tag"),
        ({"object": {"id": "x"}}, "$.object.id"),
        ({"object": {**ACTIVITY, "objectType": "Thing"}, "context": {}}, "$.object.objectType"),
        ({"object": {**ACTIVITY, "definition": {"name": "x"}}}, "$.object.definition.name"),
        ({"object": {**ACTIVITY, "definition": {"type": 4}}}, "$.object.definition.type"),
        (
            {"object": {**ACTIVITY, "definition": {"extensions": {"x": 1}}}},
            "$.object.definition.extensions.x",
        ),
        ({"object": {**ACTIVITY, "definition": {"choices": []}}}, "$.object.definition.interactionType"),
        (
            {"object": {**ACTIVITY, "definition": {"interactionType": "guess"}}},
            "$.object.definition.interactionType",
        ),
        (
            {
                "object": {
                    **ACTIVITY,
                    "definition": {"interactionType": "choice", "choices": [{"id": "a"}, {"id": "a"}]},
                }
            },
            "$.object.definition.choices[1].id",
        ),
        ({"object": {**SUB, "object": SUB}, "context": {}}, "$.object.object"),
        ({"object": {**SUB, "id": "f1cd58aa-ad22-49e5-8567-d59d97d3b209"}, "context": {}}, "$.object.id"),
        ({"object": {"objectType": "StatementRef", "id": "7"}, "context": {}}, "$.object.id"),
        ({"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}}, "$.object"),
        ({"result": {"score": {"scaled": 1.01}}}, "$.result.score.scaled"),
        ({"result": {"score": {"scaled": "1"}}}, "$.result.score.scaled"),
        ({"result": {"score": {"min": 5, "max": 5}}}, "$.result.score.max"),
        ({"result": {"score": {"raw": 11, "max": 10}}}, "$.result.score.raw"),
        ({"result": {"success": "true"}}, "$.result.success"),
        ({"result": {"completion": 1}}, "$.result.completion"),
        ({"result": {"duration": "1 hour"}}, "$.result.duration"),
        ({"result": {"response": None}}, "$.result.response"),
        ({"context": {"registration": "x"}}, "$.context.registration"),
        ({"context": {"team": PERSON}}, "$.context.team.objectType"),
        ({"context": {"language": "en_GB!"}}, "$.context.language.en_GB!"),
        ({"context": {"contextActivities": {"sibling": ACTIVITY}}}, "$.context.contextActivities.sibling"),
        (
            {"context": {"contextActivities": {"parent": [{"id": "x"}]}}},
            "$.context.contextActivities.parent[0].id",
        ),
        ({"object": {"objectType": "Agent", **PERSON}, "context": {"platform": "LMS"}}, "$.context.platform"),
        ({"timestamp": "yesterday"}, "$.timestamp"),
        ({"timestamp": "2025-03-01T09:30:00-00:00"}, "$.timestamp"),
        ({"timestamp": "2025-02-30T09:30:00Z"}, "$.timestamp"),
        ({"version": "0.9"}, "$.version"),
        ({"authority": {"objectType": "Group", "member": [PERSON]}}, "$.authority"),
        ({"attachments": [{}]}, "$.attachments[0].sha2"),
        ({"surprise": 1}, "$.surprise"),
    ],
)
def test_it_finds_what_is_wrong_at(more: dict[str, Any], path: str) -> None:
    assert path in paths({**statement(), **more})


@pytest.mark.parametrize("sent", [None, [], "x", 3])
def test_it_says_that_something_else_is_no_statement(sent: Any) -> None:
    assert paths(sent) == {"$"}


def test_it_says_everything_at_once() -> None:
    assert {"$.actor", "$.verb", "$.object"} == paths({})


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1M30S", 90), ("P1D", 86400), ("P2W", 1209600), ("PT0.5S", 0.5)]
)
def test_it_reads_a_duration(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["P", "PT", "", "1H", "PT-1S", "P1S"])
def test_it_refuses_a_duration_like(text: str) -> None:
    assert duration_seconds(text) is None


def test_it_reads_one_moment_in_any_zone() -> None:
    assert (
        moment("2025-03-01T09:30:00+02:00") == moment("2025-03-01T07:30:00Z") == moment("2025-03-01T07:30:00")
    )
    assert moment("2025-03-01T07:30:00.1234567Z") == moment("2025-03-01T07:30:00.123456Z")


@pytest.mark.parametrize("iri", ["", "relative/path", "no scheme", "https://spa ce"])
def test_it_takes_no_iri_from(iri: str) -> None:
    assert not is_iri(iri)


@pytest.mark.parametrize(
    ("tag", "good"), [("en", True), ("zh-Hant-TW", True), ("x-own", True), ("e", False), ("en_GB", False)]
)
def test_it_knows_a_language_tag(tag: str, good: bool) -> None:
    assert is_language(tag) is good


def test_it_takes_order_spelling_and_definitions_for_no_difference() -> None:
    one = statement(
        actor={"objectType": "Group", "member": [account("a"), account("b")]},
        object={**ACTIVITY, "definition": {"name": {"en": "Old"}}},
        timestamp="2025-03-01T09:30:00Z",
    )
    other = {
        **one,
        "actor": {"objectType": "Group", "member": [account("b"), {"objectType": "Agent", **account("a")}]},
        "object": {"objectType": "Activity", **ACTIVITY},
        "verb": {**one["verb"], "display": {"en": "saw"}},
        "timestamp": "2025-03-01T10:30:00+01:00",
        "context": {"contextActivities": {"parent": one["context"]["contextActivities"]["parent"][0]}},
    }

    assert says_the_same(one, other)
    assert not says_the_same(one, {**other, "result": {"success": True}})
    assert not says_the_same(one, {**other, "timestamp": "2025-03-01T09:30:01Z"})
