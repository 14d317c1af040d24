"""Baseline skills from another system's file."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from consent import record
from consent.actors import SYSTEM
from consent.models import AuditEntry
from consent.scopes import Scope
from learners.identity import employee_hash
from learners.models import BaselineSkill, Learner
from learners.skills import SkillFaults, import_skills
from tests.support.learners import NOW, make_competency, make_learner

pytestmark = pytest.mark.django_db

FILE = (
    b"employee_id;competency;level;as_of;source;note\n"
    b"E-1;welding;3;2026-01-31;test;x\n"
    b"e-1;welding;4;2026-02-28;manager;\n"
)


@pytest.fixture
def ann() -> Learner:
    make_competency(key="welding")
    return make_learner(employee_number="E-1", employee_hash=employee_hash("E-1"))


def test_it_takes_levels_in_once(ann: Learner) -> None:
    dry = import_skills(FILE, now=NOW, dry_run=True)
    assert (dry.new, BaselineSkill.objects.count()) == (2, 0)

    first = import_skills(FILE, now=NOW)
    second = import_skills(FILE, now=NOW)
    third = import_skills(FILE.replace(b"welding;3", b"welding;5"), now=NOW)

    assert (first.new, second.new, second.same, third.changed, third.same) == (2, 0, 2, 1, 1)
    assert list(ann.baseline.order_by("as_of").values_list("level", "source")) == [
        (5, "test"),
        (4, "manager"),
    ]
    assert AuditEntry.objects.filter(action="skills.imported").count() == 2


def test_it_takes_in_nothing_about_those_who_allow_no_profile(ann: Learner) -> None:
    record.withdraw(subject=ann.pk, scope=Scope.PROFILE, by=SYSTEM, now=NOW)

    taken = import_skills(FILE, now=NOW)

    assert (taken.new, taken.unwilling) == (0, 2)
    assert not BaselineSkill.objects.exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b";welding;3;2026-01-31;test;", "line 2: employee_id is empty"),
        (b"E-2;welding;3;2026-01-31;test;", "line 2: nobody has this employee_id"),
        (b"E-1;juggling;3;2026-01-31;test;", "line 2: no competency has the key 'juggling'"),
        (b"E-1;welding;9;2026-01-31;test;", "line 2: level '9' is not on the scale"),
        (b"E-1;welding;3;31.1.2026;test;", "line 2: as_of '31.1.2026' is no date"),
        (b"E-1;welding;3;2030-01-31;test;", "line 2: as_of is in the future"),
        (b"E-1;welding;3;2026-01-31;self;", "line 2: unknown source 'self'"),
        (b'E-1;"welding', "cannot be read as CSV"),
    ],
)
def test_it_names_the_line_and_what_to_mend(ann: Learner, row: bytes, said: str) -> None:
    with pytest.raises(SkillFaults) as caught:
        import_skills(FILE.split(b"\n")[0] + b"\n" + row, now=NOW)

    assert said in str(caught.value)
    assert not BaselineSkill.objects.exists()


def test_it_is_run_from_the_command_line(ann: Learner, tmp_path: Path) -> None:
    file, out = tmp_path / "skills.csv", StringIO()
    file.write_bytes(FILE)

    call_command("import_skills", str(file), stdout=out)

    assert "2 new, 0 changed, 0 as before." in out.getvalue()
    file.write_bytes(b"employee_id\n")
    with pytest.raises(CommandError, match="missing columns competency, level, as_of, source"):
        call_command("import_skills", str(file))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b"E-1;welding;\xc2\xb2;2026-01-31;test;\n", "line 2: level '\u00b2' is not on the scale"),
        (b"E-1;welding;2;2026-01-31;test;;2\n", "line 2: more cells than the header has"),
        (
            b"E-1;welding;2;2026-01-31;test;\nE-1;welding;4;2026-01-31;test;\n",
            "line 3: another level than in line 2",
        ),
    ],
)
def test_it_takes_no_word_for_another(ann: Learner, rows: bytes, said: str) -> None:
    with pytest.raises(SkillFaults, match=said):
        import_skills(b"employee_id;competency;level;as_of;source;note\n" + rows, now=NOW)

    assert not BaselineSkill.objects.exists()


def test_it_passes_over_the_empty_rows_that_spreadsheets_leave(ann: Learner) -> None:
    taken = import_skills(b"\xef\xbb\xbf" + FILE.replace(b"\n", b"\r\n") + b";;;;;\r\n;;;;;\r\n", now=NOW)

    assert taken.new == 2
