"""The HR roster: every fault named with its line, nothing applied by halves, a second run changes nothing."""

from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from consent.models import AuditEntry
from learners import access
from learners.identity import canonical, employee_hash, identifier_hash, resolve
from learners.models import Identifier, JobRole, Learner, OrgUnit, Oversight, Role, User
from learners.roster import Difference, RosterFaults, import_people
from learners.roster.reading import OPTIONAL, REQUIRED
from tests.support.learners import NOW, TODAY, make_coach, make_identifier, make_learner, make_user

pytestmark = pytest.mark.django_db

BOSS = {"employee_id": "1", "name": "Ada Boss", "email": "ada@example.test", "unit": "Works"}
WORKER = {
    "employee_id": "2",
    "name": "Ben Worker",
    "email": "ben@example.test",
    "unit": "Works/North",
    "job_role": "Fitter",
    "impact": "critical",
    "manager_employee_id": "1",
    "time_zone": "Europe/Berlin",
    "language": "de",
    "start_date": "2025-05-01",
}


def roster(*people: dict[str, str], columns: tuple[str, ...] = REQUIRED, delimiter: str = ",") -> bytes:
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(person.get(column, "") for column in columns) for person in people]
    return "\n".join(lines).encode()


def load(*people: dict[str, str], now: Any = NOW, **options: Any) -> Difference:
    columns = (*REQUIRED, *OPTIONAL) if any("coach_email" in person for person in people) else REQUIRED
    return import_people(roster(*people, columns=columns), now=now, **options)


def person(employee_id: str) -> Learner:
    return Learner.objects.get(employee_hash=employee_hash(employee_id))


def named_by(email: str, on: date | None = None) -> Learner | None:
    hashed = identifier_hash(canonical("mbox", email))
    return Learner.objects.filter(pk__in=resolve([hashed], on=on).values()).first()


def everything() -> list[Any]:
    models = (Learner, User, Identifier, Oversight, OrgUnit, JobRole, AuditEntry)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


# what it does


def test_it_makes_people_units_roles_relations_and_accounts() -> None:
    load(BOSS, WORKER)

    boss, worker = person("1"), person("2")
    assert (worker.name, worker.email, worker.language) == ("Ben Worker", "ben@example.test", "de")
    assert (worker.time_zone, worker.started_on) == ("Europe/Berlin", date(2025, 5, 1))
    assert worker.unit is not None and worker.unit.name == "North"
    assert worker.unit.parent == boss.unit
    assert worker.job_role is not None and worker.job_role.impact == "critical"
    manager = access.manager_of([worker.pk], on=TODAY)[worker.pk]
    assert manager.learner == boss
    assert manager.roles == [Role.LEARNER, Role.MANAGER]
    assert named_by("BEN@example.test") == worker
    assert not User.objects.filter(learner=worker).exists()


def test_it_makes_an_account_that_nobody_can_sign_in_to_before_an_invitation() -> None:
    load(BOSS, WORKER)

    manager = User.objects.get_by_natural_key("ada@example.test")
    assert not manager.has_usable_password()


def test_it_says_nothing_to_change_on_a_second_run() -> None:
    coached = {**WORKER, "coach_email": "coach@example.test", "end_date": "2026-01-31"}
    load(BOSS, coached)
    before = everything()

    difference = load(BOSS, coached)

    assert difference.lines() == ["Nothing to change."]
    assert everything() == before


def test_it_changes_nothing_in_a_dry_run_and_says_the_same() -> None:
    before = everything()

    dry = load(BOSS, WORKER, dry_run=True)

    assert everything() == before
    assert dry.lines() == load(BOSS, WORKER).lines()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_it_reads_both_delimiters_with_and_without_a_mark(mark: bytes, delimiter: str) -> None:
    import_people(mark + roster({**BOSS, "name": "Zoë Ünsal"}, delimiter=delimiter), now=NOW)

    assert person("1").name == "Zoë Ünsal"


def test_it_names_changed_fields_but_no_personal_value() -> None:
    load(BOSS, WORKER)

    difference = load(
        {**BOSS, "name": "Ada New"},
        {**WORKER, "email": "new@example.test", "unit": "Works/South", "language": "en"},
    )

    assert difference.changed == {
        "1": ["name"],
        "2": ["email", "language de → en", "unit Works/North → Works/South"],
    }
    text = "\n".join(difference.lines())
    assert not any(secret in text for secret in ("Ada", "Ben", "@"))
    assert User.objects.get(learner=person("1")).name == "Ada New"


def test_it_closes_the_old_identifier_when_the_email_changes() -> None:
    load(BOSS, WORKER)

    load(BOSS, {**WORKER, "email": "benjamin@example.test"})

    old, new = Identifier.objects.filter(learner=person("2")).order_by("pk")
    assert (old.valid_to, new.valid_to) == (TODAY, None)
    # Systems may have used the new address before HR told us: it counts from the first day of work.
    assert new.valid_from == old.valid_from
    assert named_by("ben@example.test") is None
    assert named_by("benjamin@example.test") == person("2")
    assert named_by("ben@example.test", on=TODAY - timedelta(days=1)) == person("2")


def test_it_lets_two_people_swap_addresses() -> None:
    load(BOSS, {**WORKER, "manager_employee_id": ""})

    load(
        {**BOSS, "email": "ben@example.test"},
        {**WORKER, "email": "ada@example.test", "manager_employee_id": ""},
    )

    assert named_by("ben@example.test") == person("1")
    assert named_by("ada@example.test") == person("2")


def test_it_lets_the_sign_in_name_follow_the_email() -> None:
    load(BOSS, WORKER)

    difference = load({**BOSS, "email": "ada.new@example.test"}, WORKER)

    assert User.objects.get_by_natural_key("ada.new@example.test").learner == person("1")
    assert difference.accounts == ["1: sign-in name follows the email"]


def test_it_leaves_the_identifier_alone_when_only_the_spelling_changes() -> None:
    load(BOSS)

    load({**BOSS, "email": "Ada@Example.test"})

    assert Identifier.objects.count() == 1
    assert person("1").email == "Ada@Example.test"


def test_it_dates_a_change_of_manager() -> None:
    third = {**BOSS, "employee_id": "3", "email": "cat@example.test"}
    load(BOSS, WORKER, third)

    later = NOW + timedelta(days=10)
    difference = load(BOSS, {**WORKER, "manager_employee_id": "3"}, third, now=later)

    worker = person("2")
    assert difference.managers == ["2: 1 → 3"]
    assert access.manager_of([worker.pk], on=TODAY)[worker.pk].learner == person("1")
    assert access.manager_of([worker.pk], on=later.date())[worker.pk].learner == person("3")


def test_it_ends_the_relation_when_the_file_names_no_manager() -> None:
    load(BOSS, WORKER)

    difference = load(BOSS, {**WORKER, "manager_employee_id": ""})

    assert difference.managers == ["2: 1 → -"]
    assert access.manager_of([person("2").pk], on=TODAY) == {}


def test_it_adds_the_role_to_an_account_that_exists() -> None:
    user = make_user(Role.COACH, login="ada@example.test")

    difference = load(BOSS, WORKER)

    user.refresh_from_db()
    assert user.roles == [Role.COACH, Role.MANAGER]
    assert user.learner == person("1")
    assert difference.accounts == ["1: linked to the account that has their email", "1: new role manager"]


def test_it_accepts_a_manager_who_is_not_in_the_file() -> None:
    load(BOSS, WORKER)

    difference = load({**WORKER, "employee_id": "3", "email": "cat@example.test"})

    assert access.manager_of([person("3").pk], on=TODAY)[person("3").pk].learner == person("1")
    assert difference.not_in_file == ["1", "2"]
    assert person("1").left_on is None


def test_it_takes_nobody_s_manager_as_their_coach() -> None:
    load(BOSS, {**WORKER, "coach_email": "ada@example.test"})

    assert access.manager_of([person("2").pk], on=TODAY)[person("2").pk].learner == person("1")
    assert access.coach_of([person("2").pk], on=TODAY) == {}


def test_it_makes_or_finds_the_coach() -> None:
    known = make_coach(login="known@example.test")

    load(
        {**BOSS, "coach_email": "KNOWN@example.test"},
        {**WORKER, "coach_email": "cat@example.test"},
        {**BOSS, "employee_id": "3", "email": "cat@example.test", "coach_email": "new@example.test"},
    )

    coach = access.coach_of([person(one).pk for one in "123"], on=TODAY)
    assert coach[person("1").pk] == known
    assert coach[person("2").pk].learner == person("3")
    assert coach[person("3").pk] == User.objects.get_by_natural_key("new@example.test")


def test_it_leaves_coaches_alone_without_their_column() -> None:
    load({**BOSS, "coach_email": "coach@example.test"})

    assert load(BOSS).is_empty
    assert load({**BOSS, "coach_email": ""}).coaches != []


def test_it_marks_leavers_and_closes_their_account_on_the_day() -> None:
    load(BOSS, WORKER)
    leaving = {**BOSS, "end_date": (TODAY + timedelta(days=5)).isoformat()}

    difference = load(leaving, WORKER)
    user = User.objects.get(learner=person("1"))
    assert (difference.leavers, user.is_active) == ([f"1: {leaving['end_date']}"], True)

    later = load(leaving, WORKER, now=NOW + timedelta(days=5))
    user.refresh_from_db()
    assert (later.leavers, user.is_active) == ([], False)


def test_it_touches_the_missing_only_when_told() -> None:
    load(BOSS, WORKER)

    assert load(BOSS).not_in_file == ["2"]
    assert person("2").left_on is None

    difference = load(BOSS, missing_left=True)
    assert difference.leavers == [f"2: {TODAY} (missing from the file)"]
    assert person("2").left_on == TODAY
    assert load(BOSS, missing_left=True).is_empty


def test_it_changes_the_impact_of_a_job_role() -> None:
    load(BOSS, WORKER)

    difference = load(BOSS, {**WORKER, "impact": "elevated"})

    assert difference.structure == ["job role Fitter: impact critical → elevated"]
    assert JobRole.objects.get(name="Fitter").impact == "elevated"
    assert load(BOSS, {**WORKER, "impact": ""}).is_empty


def test_it_names_columns_it_does_not_read() -> None:
    content = roster(BOSS, columns=(*REQUIRED, "shoe_size"))

    assert import_people(content, now=NOW).ignored == ["shoe_size"]


def test_it_leaves_a_trace_without_names() -> None:
    load(BOSS, WORKER)

    entry = AuditEntry.objects.get(action="roster.imported")
    assert entry.detail["added"] == 2
    assert "Ada" not in str(entry.detail)


def test_it_asks_the_same_number_of_queries_for_many() -> None:
    def people(numbers: range) -> list[dict[str, str]]:
        return [
            {**WORKER, "employee_id": f"w{n}", "email": f"w{n}@example.test", "unit": f"Works/{n}"}
            for n in numbers
        ]

    with CaptureQueriesContext(connection) as few:
        load(BOSS, *people(range(2)))
    with CaptureQueriesContext(connection) as many:
        load(BOSS, *people(range(2, 60)))

    assert len(many) <= len(few)


# what it refuses

FAULTY: dict[str, tuple[bytes, str]] = {
    "an unknown zone": (
        roster(BOSS, {**WORKER, "time_zone": "Mars/Base"}),
        "line 3: unknown time zone 'Mars/Base'",
    ),
    "a bad date": (
        roster(BOSS, {**WORKER, "start_date": "1.5.2025"}),
        "line 3: start_date '1.5.2025' is no",
    ),
    "an end before the start": (
        roster({**BOSS, "start_date": "2026-02-01", "end_date": "2026-01-01"}),
        "line 2: end_date is before start_date",
    ),
    "an employee twice": (
        roster(BOSS, {**WORKER, "employee_id": "1", "manager_employee_id": ""}),
        "line 3: employee_id 1 is already in line 2",
    ),
    "an address twice": (
        roster(BOSS, {**WORKER, "email": "ADA@example.test"}),
        "line 3: this email is already in line 2",
    ),
    "no address": (roster({**BOSS, "email": "ada"}), "line 2: email is not an e-mail address"),
    "no id": (roster({**BOSS, "employee_id": ""}), "line 2: employee_id is empty"),
    "no name": (roster({**BOSS, "name": ""}), "line 2: name is empty"),
    "an unknown language": (roster({**BOSS, "language": "xx"}), "line 2: unknown language 'xx'"),
    "an unknown impact": (
        roster({**BOSS, "job_role": "A", "impact": "huge"}),
        "line 2: unknown impact",
    ),
    "an impact of nothing": (
        roster({**BOSS, "impact": "standard"}),
        "line 2: impact belongs to a job role",
    ),
    "two impacts of a role": (
        roster({**BOSS, "job_role": "Fitter", "impact": "standard"}, WORKER),
        "line 3: job role 'Fitter' is critical here and standard in line 2",
    ),
    "a hole in a unit": (roster({**BOSS, "unit": "Works//North"}), "line 2: the names in unit"),
    "an unknown manager": (
        roster({**WORKER, "manager_employee_id": "99"}),
        "line 2: manager 99 is neither in this file nor known",
    ),
    "one's own manager": (
        roster({**BOSS, "manager_employee_id": "1"}),
        "line 2: employee 1 is named as their own manager",
    ),
    "a circle of managers": (
        roster(
            {**BOSS, "manager_employee_id": "3"},
            WORKER,
            {**BOSS, "employee_id": "3", "email": "cat@example.test", "manager_employee_id": "2"},
        ),
        "line 2: managers in a circle: 1 → 3 → 2 → 1",
    ),
    "a manager without an address": (
        roster({**BOSS, "email": ""}, WORKER),
        "line 3: manager 1 has no email, which they would sign in by",
    ),
    "one's own coach": (
        roster({**BOSS, "coach_email": "ada@example.test"}, columns=(*REQUIRED, *OPTIONAL)),
        "line 2: employee 1 is named as their own coach",
    ),
    "a missing column": (
        roster(BOSS, columns=tuple(name for name in REQUIRED if name != "unit")),
        "line 1: missing column unit",
    ),
    "a column twice": (
        roster(BOSS, columns=(*REQUIRED, "unit")),
        "line 1: the column unit is there twice",
    ),
    "an empty file": (b"", "line 1: the file is empty"),
    "nobody": (roster(), "line 1: there are no people"),
    "a short line": (roster(BOSS) + b"\n5,Eve", "line 3: 2 cells where the header has 11"),
    "an open quote": (roster(BOSS) + b'\n5,"Eve', "line 3: this line cannot be read as CSV"),
    "another encoding": (
        roster({**BOSS, "name": "Zoë"}).decode().encode("latin-1"),
        "line 2: this is not UTF-8",
    ),
}


@pytest.mark.parametrize("case", FAULTY)
def test_it_refuses_and_names_the_line(case: str) -> None:
    content, message = FAULTY[case]
    before = everything()

    with pytest.raises(RosterFaults) as caught:
        import_people(content, now=NOW)

    assert [str(fault) for fault in caught.value.faults if str(fault).startswith(message)], str(caught.value)
    assert len(caught.value.faults) == 1, str(caught.value)
    assert everything() == before


def test_it_lists_all_faults_at_once() -> None:
    with pytest.raises(RosterFaults) as caught:
        load({**BOSS, "language": "xx", "start_date": "soon"}, {**WORKER, "manager_employee_id": "99"})

    assert [fault.line for fault in caught.value.faults] == [2, 2, 3]


def test_it_finds_a_circle_through_somebody_who_is_not_in_the_file() -> None:
    load(BOSS, WORKER)

    with pytest.raises(RosterFaults, match="line 2: managers in a circle: 1 → 2 → 1"):
        load({**BOSS, "manager_employee_id": "2"})


def test_it_refuses_an_address_that_names_somebody_else() -> None:
    holder = make_learner()
    make_identifier(learner=holder, value="ada@example.test")

    with pytest.raises(RosterFaults, match=f"line 2: this email already names learner {holder.pk}"):
        load(BOSS)


def test_it_refuses_a_sign_in_name_that_is_somebody_elses() -> None:
    make_user(login="ada@example.test", learner=make_learner())

    with pytest.raises(
        RosterFaults, match="line 3: the email of manager 1 is the sign-in name of somebody else"
    ):
        load(BOSS, WORKER)


# the command


def run(path: Path, *flags: str) -> str:
    out = StringIO()
    call_command("import_people", str(path), *flags, stdout=out)
    return out.getvalue()


def test_it_prints_the_difference(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(roster(BOSS, WORKER))

    assert run(path, "--dry-run").endswith("Dry run: nothing was changed.\n")
    assert "added: 2\n" in run(path)
    assert run(path) == "Nothing to change.\n"


def test_it_says_what_to_mend_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(roster({**BOSS, "time_zone": "Nowhere"}))

    with pytest.raises(CommandError, match=r"line 2: unknown time zone(.|\n)*Nothing was changed"):
        run(path)
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run(tmp_path / "none.csv")
