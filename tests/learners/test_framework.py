"""The competency framework, from a file: what it means, what it changes, what is wrong with it."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import QuerySet

from consent.models import AuditEntry
from learners.framework.importing import FrameworkFaults, import_framework
from learners.models import Competency, CompetencyItem, CompetencyLesson, JobRole, RoleCompetency
from tests.support.learners import NOW, make_competency, make_job_role, make_role_name

pytestmark = pytest.mark.django_db

TABLE = """\
role,role_name,competency,competency_name,broader,level,lesson,lesson_name,item,item_name,remark
fitter,Fitter,lockout,Lock-out,safety,4,https://lms.test/lockout,Locking out,https://lms.test/q1,When?,x
fitter,,lockout,,,,https://lms.test/lockout,,https://lms.test/q2,How?,
,,safety,Safety at work,,,,,,,
welder,Welder,safety,,,2,,,,,
"""

OURS = {
    "competencies": [
        {"key": "safety", "name": "Safety at work"},
        {
            "key": "lockout",
            "name": "Lock-out",
            "broader": "safety",
            "lessons": [
                {
                    "iri": "https://lms.test/lockout",
                    "name": "Locking out",
                    "items": [
                        {"iri": "https://lms.test/q1", "name": "When?"},
                        {"iri": "https://lms.test/q2", "name": "How?"},
                    ],
                }
            ],
        },
    ],
    "roles": [
        {"code": "fitter", "name": "Fitter", "competencies": [{"competency": "lockout", "level": 4}]},
        {"code": "welder", "name": "Welder", "competencies": [{"competency": "safety", "level": 2}]},
    ],
}


def link(kind: str, origin: str, destination: str) -> dict[str, Any]:
    ends = {"originNodeURI": {"identifier": origin}, "destinationNodeURI": {"identifier": destination}}
    return {"associationType": kind, **ends}


CASE = {
    "CFDocument": {"identifier": "d", "title": "Works"},
    "CFItems": [
        {
            "identifier": "1",
            "fullStatement": "Works safely",
            "abbreviatedStatement": "Safety",
            "humanCodingScheme": "S",
        },
        {"identifier": "2", "fullStatement": "Locks machines out", "humanCodingScheme": "S.1"},
        {"identifier": "3", "fullStatement": "Fitter", "CFItemType": "Job Role"},
    ],
    "CFAssociations": [
        link("isChildOf", "2", "1"),
        link("isChildOf", "1", "d"),
        link("isRelatedTo", "2", "3"),
    ],
}


def ours() -> QuerySet[Competency]:
    """Without those of the starter lessons, which every installation has."""
    return Competency.objects.filter(lessons__isnull=True)


def content(framework: Any) -> bytes:
    return (framework if isinstance(framework, str) else json.dumps(framework)).encode()


def stored() -> dict[str, Any]:
    return {
        "competencies": sorted(ours().values_list("key", "name", "parent__key")),
        "roles": sorted(JobRole.objects.values_list("code", "name")),
        "demands": sorted(RoleCompetency.objects.values_list("job_role__code", "competency__key", "level")),
        "lessons": list(CompetencyLesson.objects.values_list("competency__key", "iri", "name")),
        "items": list(
            CompetencyItem.objects.order_by("position").values_list(
                "competency__key", "lesson__iri", "iri", "name"
            )
        ),
    }


@pytest.mark.parametrize(
    "framework",
    [TABLE, TABLE.replace(",", ";"), "\ufeff" + TABLE, OURS],
    ids=["table", "semicolons", "mark", "json"],
)
def test_it_reads_the_same_from_each_form(framework: Any) -> None:
    import_framework(content(framework), now=NOW)

    assert stored() == {
        "competencies": [("lockout", "Lock-out", "safety"), ("safety", "Safety at work", None)],
        "roles": [("fitter", "Fitter"), ("welder", "Welder")],
        "demands": [("fitter", "lockout", 4), ("welder", "safety", 2)],
        "lessons": [("lockout", "https://lms.test/lockout", "Locking out")],
        "items": [
            ("lockout", "https://lms.test/lockout", "https://lms.test/q1", "When?"),
            ("lockout", "https://lms.test/lockout", "https://lms.test/q2", "How?"),
        ],
    }


def test_it_reads_case() -> None:
    import_framework(content(CASE), now=NOW)

    assert stored()["competencies"] == [("s", "Safety", None), ("s1", "Locks machines out", "s")]
    assert stored()["demands"] == [("Fitter", "s1", None)]
    assert Competency.objects.get(key="s").description == "Works safely"


@pytest.mark.parametrize("framework", [TABLE, OURS, CASE], ids=["table", "json", "case"])
def test_it_changes_nothing_the_second_time(framework: Any) -> None:
    import_framework(content(framework), now=NOW)
    before, traces = stored(), AuditEntry.objects.count()

    again = import_framework(content(framework), now=NOW)

    assert again.lines == []
    assert (stored(), AuditEntry.objects.count()) == (before, traces)


def test_it_says_what_changes_and_what_the_file_leaves_out() -> None:
    import_framework(content(TABLE), now=NOW)
    make_competency(key="other")
    changed = json.loads(json.dumps(OURS))
    changed["competencies"][0]["name"] = "Safety"
    changed["roles"][0]["competencies"] = [{"competency": "safety", "level": 3}]
    changed["roles"][1]["competencies"][0]["level"] = 5
    del changed["competencies"][1]["lessons"][0]["items"][1]

    dry = import_framework(content(changed), now=NOW, dry_run=True)
    assert stored()["demands"] == [("fitter", "lockout", 4), ("welder", "safety", 2)]
    done = import_framework(content(changed), now=NOW)
    pruned = import_framework(content(changed), now=NOW, prune=True)

    assert (
        dry.lines
        == done.lines
        == [
            "~ competency safety: name 'Safety at work' → 'Safety'",
            "+ role fitter asks for safety at 3",
            "~ role welder asks for safety: level 2 → 5",
        ]
    )
    assert done.not_in_file[:2] == ["role fitter asks for lockout", "item https://lms.test/q2"]
    assert "competency other" in done.not_in_file
    assert pruned.lines == ["- role fitter asks for lockout", "- item https://lms.test/q2"]
    assert stored()["demands"] == [("fitter", "safety", 3), ("welder", "safety", 5)]
    assert Competency.objects.filter(key="other").exists()


def test_it_finds_a_role_by_code_by_name_and_by_what_its_name_was_decided_to_mean() -> None:
    by_name = make_job_role(code="r-1", name="Fitter")
    decided = make_job_role(code="r-2", name="Welding specialist")
    make_role_name(source="", name="Welder", job_role=decided, decided_at=NOW)

    import_framework(content(TABLE), now=NOW)

    assert JobRole.objects.count() == 2
    assert {one.job_role for one in RoleCompetency.objects.all()} == {by_name, decided}


def circle() -> str:
    return "competency,broader\na,b\nb,c\nc,a\n"


@pytest.mark.parametrize(
    ("framework", "said"),
    [
        ("", "line 1: the first line must name the columns"),
        ("competency,competency\na,a\n", "line 1: the column competency is there twice"),
        ("competency\n", "line 1: there is nothing in this file"),
        ("competency,level,role\na,9,r\n", "line 2: level '9' is not on the scale; write 1 to 5"),
        ("competency,level\na,3\n", "line 2: level says what a role asks for, and role is empty"),
        ("competency,lesson\na,quiz\n", "line 2: lesson 'quiz' is no IRI"),
        ("competency,lesson\n,https://x.test/a\n", "line 2: lesson belongs to a competency"),
        ("competency\nSafe Handling\n", "as in 'safe-handling'"),
        (
            "competency,broader\na,b\n",
            "line 2: the broader competency b is neither in this file nor known; add it",
        ),
        (
            "role,competency,level\nr,a,2\nr,a,3\n",
            "line 3: role r asks for a at level 3 here and 2 in line 2",
        ),
        (
            "competency,lesson\na,https://x.test/l\nb,https://x.test/l\n",
            "line 3: lesson https://x.test/l teaches a",
        ),
        (
            "competency,competency_name\na,One\na,Two\n",
            "line 3: competency a has another name",
        ),
        ("competency,role\na\n", "line 2: 1 cells where the header has 2"),
        ('competency\n"a\n', "line 2: this line cannot be read as CSV"),
        (circle(), "line 2: competencies in a circle: a → b → c → a"),
        ("{", "line 1: this is not JSON"),
        ("[1]", "line 1: the file must hold one object"),
        ({"roles": [{"name": "x"}]}, "roles[0]: code is missing"),
        (
            {"competencies": [{"key": "a", "lessons": [{"iri": "x"}]}]},
            "competencies[0].lessons[0]: lesson 'x' is no IRI",
        ),
        ({"competencies": "a"}, "competencies: competencies is no list"),
        ({"roles": [{"code": "x", "impact": "huge"}]}, "roles[0]: unknown impact 'huge'"),
        ({"CFItems": [{"identifier": "1"}]}, "CFItems[0]: identifier or fullStatement is missing"),
    ],
)
def test_it_names_the_place_of_a_fault_and_what_to_mend(framework: Any, said: str) -> None:
    with pytest.raises(FrameworkFaults) as caught:
        import_framework(content(framework), now=NOW)

    assert said in str(caught.value)
    assert not ours().exists() and not JobRole.objects.exists()


def test_it_finds_a_circle_that_the_file_closes_over_what_is_known() -> None:
    upper = make_competency(key="upper")
    make_competency(key="lower", parent=upper)

    with pytest.raises(FrameworkFaults, match="in a circle"):
        import_framework(b"competency,broader\nupper,lower\n", now=NOW)


def test_it_finds_two_names_of_one_role() -> None:
    make_job_role(code="r-1", name="Fitter")

    with pytest.raises(FrameworkFaults, match="are one role"):
        import_framework(b"role,competency\nr-1,a\nFITTER,a\n", now=NOW)


def test_it_is_imported_on_the_command_line(tmp_path: Path) -> None:
    file, out = tmp_path / "framework.csv", StringIO()
    file.write_text(TABLE)

    call_command("import_framework", str(file), "--dry-run", stdout=out)
    assert "+ competency lockout (Lock-out)" in out.getvalue()
    assert "Dry run: nothing was changed." in out.getvalue()
    assert not ours().exists()
    call_command("import_framework", str(file), stdout=out)
    assert "not read: remark" in out.getvalue()
    assert ours().count() == 2
    file.write_text("competency\nNo Key\n")
    with pytest.raises(CommandError, match="Mend this and run it again"):
        call_command("import_framework", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_framework", str(tmp_path / "missing.csv"))


def test_it_is_imported_in_as_many_queries_whatever_its_size(django_assert_max_num_queries: Any) -> None:
    rows = "".join(f"r{n % 7},c{n},{n % 5 + 1},https://x.test/{n}\n" for n in range(200))

    with django_assert_max_num_queries(25):
        import_framework(f"role,competency,level,lesson\n{rows}".encode(), now=NOW)

    assert CompetencyLesson.objects.count() == 200


@pytest.mark.parametrize(
    "content",
    [
        b"competency,competency_name\na,A\0B\n",
        rb'{"competencies": [{"key": "a", "name": "A \u0000"}]}',
        rb'{"competencies": [{"key": "a", "name": "A \ud800"}]}',
    ],
)
def test_it_refuses_characters_that_are_none(content: bytes) -> None:
    with pytest.raises(FrameworkFaults, match="character that is none"):
        import_framework(content, now=NOW)
