"""What a roster would change; writes nothing. Names and addresses appear by field name only, never by value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

from learners.identity import canonical, employee_hash, identifier_hash
from learners.models import Identifier, JobRole, Learner, OrgUnit, Oversight, Role, User
from learners.models.people import login_hash
from learners.rolenames import resembling
from learners.roster.known import Known
from learners.roster.reading import Fault, Row, circles


@dataclass
class Difference:
    """What changed, or would; people by their employee id."""

    structure: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    managers: list[str] = field(default_factory=list)
    coaches: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    leavers: list[str] = field(default_factory=list)
    not_in_file: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to change; people missing from the file are none."""
        return not any(
            (
                self.structure,
                self.added,
                self.changed,
                self.managers,
                self.coaches,
                self.accounts,
                self.leavers,
            )
        )

    def lines(self) -> list[str]:
        """The difference for a person to read."""
        changed = [f"{who}: {', '.join(what)}" for who, what in self.changed.items()]
        sections = (
            ("organisation", self.structure),
            ("added", self.added),
            ("changed", changed),
            ("manager", self.managers),
            ("coach", self.coaches),
            ("account", self.accounts),
            ("leaver", self.leavers),
            ("not in file", self.not_in_file),
            ("column not read", self.ignored),
            ("a second number of somebody else here, not read", self.merged),
        )
        lines = [f"{title}: {entry}" for title, entries in sections for entry in entries]
        return [*lines, "Nothing to change."] if self.is_empty else lines


@dataclass
class Writes:
    """The rows to write, in the order in which they depend on each other."""

    units: list[OrgUnit] = field(default_factory=list)
    job_roles: list[JobRole] = field(default_factory=list)
    changed_roles: list[JobRole] = field(default_factory=list)
    closed_identifiers: list[int] = field(default_factory=list)
    respelled: dict[int, str] = field(default_factory=dict)  # identifier → the address with other capitals
    learners: list[Learner] = field(default_factory=list)
    users: dict[UUID, User] = field(default_factory=dict)
    opened_identifiers: list[Identifier] = field(default_factory=list)
    closed_oversight: list[int] = field(default_factory=list)
    opened_oversight: list[Oversight] = field(default_factory=list)


def _address_hash(email: str) -> bytes | None:
    return identifier_hash(canonical("mbox", email)) if email else None


class Comparison:
    """Compares a roster with what is known; afterwards `difference`, `writes` and `faults` say what came of it."""

    def __init__(self, known: Known, *, today: date, missing_left: bool) -> None:
        self.known, self.today, self.missing_left = known, today, missing_left
        self.difference, self.writes, self.faults = Difference(), Writes(), list[Fault]()
        self.people: dict[bytes, Learner] = {}  # those of the file, as they will be
        self.by_address: dict[str, Learner] = {}

    def compare(
        self, rows: Sequence[Row], *, progress: Callable[[Iterable[Any], str], Iterable[Any]]
    ) -> None:
        rows = self._once_each(rows)
        moved = [(row, *self._person(row)) for row in progress(rows, "Comparing")]
        self._missing({row.key for row in rows})
        for _, learner, old_email in moved:
            self._give_up_address(learner, old_email)
        for row, learner, old_email in moved:
            self._take_address(row, learner, old_email)
        for row, learner, _ in moved:
            self._manager(row, learner)
            self._coach(row, learner)
        self._circles(rows)
        self._close_accounts()

    def _fault(self, row: Row, text: str) -> None:
        self.faults.append(Fault(row.line, text))

    # who they are

    def _once_each(self, rows: Sequence[Row]) -> list[Row]:
        """One row for each person: two numbers may be one person's, if somebody has merged their records."""
        keys, out = {row.key for row in rows}, []
        for row in rows:
            kept = self.known.merged.get(row.key)
            if kept is None:
                out.append(row)
            elif (
                row.person is None
                and kept.employee_hash is not None
                and bytes(kept.employee_hash) not in keys
            ):
                keys.add(bytes(kept.employee_hash))
                out.append(row._replace(employee_id=kept.employee_number))
            else:
                self.difference.merged.append(row.called)
        return out

    def _person(self, row: Row) -> tuple[Learner, str]:
        """The learner as the row has it, and the address they had."""
        learner = self.known.learners.get(row.key)
        is_new = learner is None
        if learner is None:
            learner = Learner(**({"pk": UUID(bytes=row.person)} if row.person else {}))
        old_number = learner.employee_number
        if row.employee_id and (hashed := employee_hash(row.employee_id)) != learner.employee_hash:
            learner.employee_hash, learner.employee_number = hashed, row.employee_id
        old_email, old_left = learner.email, learner.left_on
        changes = [] if is_new else self._changes(row, learner)
        if old_number != learner.employee_number and not is_new:
            changes.append("employee_id")
        changes += self._place(row, learner)
        learner.name, learner.email = row.name, row.email
        learner.time_zone, learner.language = row.time_zone, row.language
        learner.started_on, learner.left_on = row.start_date, row.end_date
        if row.says_leave:
            learner.leave_from, learner.leave_until = row.leave_from, row.leave_until
        self.people[row.key] = learner
        if row.email:
            self.by_address[canonical("mbox", row.email)] = learner
        if row.end_date and row.end_date != old_left:
            self.difference.leavers.append(f"{row.called}: {row.end_date.isoformat()}")
        if is_new:
            self.difference.added.append(row.called)
        elif changes:
            self.difference.changed[row.called] = changes
        if is_new or changes:
            self.writes.learners.append(learner)
        return learner, old_email

    def _changes(self, row: Row, learner: Learner) -> list[str]:
        personal: dict[str, tuple[Any, Any]] = {
            "name": (learner.name, row.name),
            "email": (learner.email, row.email),
            "start_date": (learner.started_on, row.start_date),
            "end_date": (learner.left_on, row.end_date),
        }
        plain = {
            "time_zone": (learner.time_zone, row.time_zone),
            "language": (learner.language, row.language),
        }
        if row.says_leave:
            personal["leave"] = (
                (learner.leave_from, learner.leave_until),
                (row.leave_from, row.leave_until),
            )
        changes = [name for name, (old, new) in personal.items() if old != new]
        changes += [f"{name} {old or '-'} → {new or '-'}" for name, (old, new) in plain.items() if old != new]
        user = self.known.user_of.get(learner.pk)
        if "name" in changes and user is not None and user.name == learner.name:
            user.name = row.name
            self.writes.users[user.pk] = user
        return changes

    def _place(self, row: Row, learner: Learner) -> list[str]:
        """Puts the learner into the row's unit and job role; what that changes."""
        changes = []
        old_path = self.known.path_of[learner.unit_id] if learner.unit_id else ()
        if old_path != row.unit:
            before = len(self.writes.units)
            learner.unit = self.known.unit(row.unit, self.writes.units) if row.unit else None
            for unit in self.writes.units[before:]:
                self.difference.structure.append(f"new unit {self._path_text(unit)}")
            changes.append(f"unit {'/'.join(old_path) or '-'} → {'/'.join(row.unit) or '-'}")
        old_role = self.known.role_of[learner.job_role_id] if learner.job_role_id else None
        before = len(self.writes.job_roles)
        role = self.known.job_role(row, self.writes.job_roles)
        if role is not None and len(self.writes.job_roles) > before:
            role.impact = row.impact or role.impact
            like = self.known.resemblance[role.name] = resembling(role.name, self.known.role_of.values())
            hint = f", which resembles {like.job_role.name}" if like else ""
            self.difference.structure.append(f"new job role {role.name} ({role.impact}){hint}")
        # A role's impact is said under its own name: two names of one role must not take turns.
        elif role is not None and row.impact not in ("", role.impact) and not self.known.is_synonym(row):
            self.difference.structure.append(f"job role {role.name}: impact {role.impact} → {row.impact}")
            role.impact = row.impact
            if role.pk is not None:
                self.writes.changed_roles.append(role)
        if old_role is not role:
            learner.change_role(role, on=self.today)
            changes.append(f"job_role {old_role.name if old_role else '-'} → {role.name if role else '-'}")
        return changes

    def _path_text(self, unit: OrgUnit) -> str:
        return f"{self._path_text(unit.parent)}/{unit.name}" if unit.parent else unit.name

    def _missing(self, in_file: set[bytes]) -> None:
        for key, learner in sorted(self.known.learners.items(), key=lambda one: one[1].employee_number):
            if key in in_file or (learner.left_on is not None and learner.left_on <= self.today):
                continue
            if not self.missing_left:
                self.difference.not_in_file.append(learner.employee_number)
                continue
            learner.left_on = max(self.today, learner.started_on or self.today)
            self.people[key] = learner
            self.writes.learners.append(learner)
            self.difference.leavers.append(
                f"{learner.employee_number}: {learner.left_on.isoformat()} (missing from the file)"
            )

    # how systems and they themselves name them

    def _give_up_address(self, learner: Learner, old_email: str) -> None:
        """Frees an address that the learner no longer has; all do so before any takes one, so two may swap."""
        old = _address_hash(old_email)
        identifier = self.known.open_identifiers.get(old) if old else None
        if old and identifier and identifier[1] == learner.pk and old != _address_hash(learner.email):
            self.writes.closed_identifiers.append(identifier[0])
            del self.known.open_identifiers[old]
            self.known.free_since[old] = self.today

    def _take_address(self, row: Row, learner: Learner, old_email: str) -> None:
        old, new = _address_hash(old_email), _address_hash(row.email)
        identifiers = self.known.open_identifiers
        if new and (new not in identifiers or identifiers[new][1] != learner.pk):
            if new in identifiers:
                self._fault(
                    row,
                    f"this email already names learner {identifiers[new][1]}, who is not the employee "
                    f"{row.called} of this file",
                )
                return
            self.writes.opened_identifiers.append(
                Identifier(
                    learner_id=learner.pk,
                    kind=Identifier.Kind.MBOX,
                    hash=new,
                    value=row.email,
                    # Learning systems may know the new address before HR tells us: it counts as far back as it can.
                    valid_from=max(
                        (day for day in (row.start_date, self.known.free_since.get(new)) if day), default=None
                    ),
                )
            )
            if old == new and row.called not in self.difference.changed:
                self.difference.changed[row.called] = ["identifier"]
        elif new and row.email != old_email:
            self.writes.respelled[identifiers[new][0]] = row.email
        self._sign_in_name(row, learner, old_email)

    def _sign_in_name(self, row: Row, learner: Learner, old_email: str) -> None:
        """Somebody who signs in by their address signs in by the new one."""
        user = self.known.user_of.get(learner.pk)
        if user is None or not row.email or login_hash(old_email) != bytes(user.login_hash):
            return
        wanted = login_hash(row.email)
        if wanted == bytes(user.login_hash):
            return
        if wanted in self.known.user_by_login:
            self._fault(row, "this email is the sign-in name of somebody else")
            return
        del self.known.user_by_login[bytes(user.login_hash)]
        user.login, user.login_hash = row.email, wanted
        self.known.user_by_login[wanted] = user
        self.writes.users[user.pk] = user
        self.difference.accounts.append(f"{row.called}: sign-in name follows the email")

    # who looks after them

    def _manager(self, row: Row, learner: Learner) -> None:
        boss: User | None = None
        if row.manager is None and row.manager_employee_id is None:
            return
        if key := row.manager_key:
            manager = self.people.get(key) or self.known.learners.get(key) or self.known.merged.get(key)
            if manager is None:
                self._fault(row, f"manager {row.manager_employee_id} is neither in this file nor known")
                return
            if manager.pk == learner.pk:
                return  # the file's reader has said so
            boss = self._account(row, manager, Role.MANAGER)
            if boss is None:
                return
        self._look_after(row, learner, boss, Oversight.Kind.MANAGER, self.difference.managers)

    def _coach(self, row: Row, learner: Learner) -> None:
        if row.coach_email is None:
            return
        coach: User | None = None
        if row.coach_email:
            person = self.by_address.get(canonical("mbox", row.coach_email))
            coach = self.known.user_by_login.get(login_hash(row.coach_email))
            if learner is person or (coach is not None and coach.learner_id == learner.pk):
                self._fault(row, f"employee {row.called} is named as their own coach")
                return
            if coach is None and person is not None:
                coach = self._account(row, person, Role.COACH)
                if coach is None:
                    return
            elif coach is None:
                coach = self.known.add_user(login=row.coach_email, learner=None, roles=[Role.COACH])
                self.writes.users[coach.pk] = coach
                self.difference.accounts.append(f"coach named in line {row.line}: new account, to be invited")
            else:
                self._give_role(coach, Role.COACH, f"coach named in line {row.line}")
        self._look_after(row, learner, coach, Oversight.Kind.COACH, self.difference.coaches)

    def _look_after(
        self, row: Row, learner: Learner, user: User | None, kind: Oversight.Kind, said: list[str]
    ) -> None:
        current = self.known.open_oversight.get((learner.pk, kind))
        if (current.user_id if current else None) == (user.pk if user else None):
            return
        if current is not None:
            self.writes.closed_oversight.append(current.pk)
        if user is not None:
            self.writes.opened_oversight.append(
                Oversight(learner_id=learner.pk, user_id=user.pk, kind=kind, from_date=self.today)
            )
        before = self._called(self.known.users[current.user_id]) if current else "-"
        said.append(f"{row.called}: {before} → {self._called(user) if user else '-'}")

    @cached_property
    def _numbers(self) -> dict[UUID, str]:
        people = [*self.known.learners.values(), *self.people.values()]
        return {one.pk: self._number(one) for one in people}

    @staticmethod
    def _number(learner: Learner) -> str:
        return learner.employee_number or learner.pseudonym

    def _called(self, user: User) -> str:
        """The employee id of somebody who has an account, else their pseudonym."""
        return (self._numbers.get(user.learner_id) if user.learner_id else None) or str(user)

    def _account(self, row: Row, learner: Learner, role: Role) -> User | None:
        """The account of a learner who looks after others, made where there is none; None after a fault."""
        who = self._number(learner)
        user = self.known.user_of.get(learner.pk)
        if user is None and not learner.email:
            self._fault(row, f"{role.value} {who} has no email, which they would sign in by")
            return None
        if user is None:
            user = self.known.user_by_login.get(login_hash(learner.email))
            if user is None:
                user = self.known.add_user(login=learner.email, learner=learner, roles=[Role.LEARNER, role])
                self.writes.users[user.pk] = user
                self.difference.accounts.append(f"{who}: new account as {role.value}, to be invited")
                return user
            if user.learner_id is not None:
                self._fault(row, f"the email of {role.value} {who} is the sign-in name of somebody else")
                return None
            user.learner_id = learner.pk
            self.known.user_of[learner.pk] = user
            self.writes.users[user.pk] = user
            self.difference.accounts.append(f"{who}: linked to the account that has their email")
        self._give_role(user, role, who)
        return user

    def _give_role(self, user: User, role: Role, who: str) -> None:
        if role not in user.roles:
            user.roles = [*user.roles, role.value]
            self.writes.users[user.pk] = user
            self.difference.accounts.append(f"{who}: new role {role.value}")

    def _close_accounts(self) -> None:
        """Whoever has left can no longer sign in."""
        for learner in self.people.values():
            user = self.known.user_of.get(learner.pk)
            if user is not None and user.is_active and learner.left_on and learner.left_on <= self.today:
                user.is_active = False
                self.writes.users[user.pk] = user
                self.difference.accounts.append(f"{self._number(learner)}: closed, as they have left")

    def _circles(self, rows: Sequence[Row]) -> None:
        keys = {learner.pk: key for key, learner in self.known.learners.items()}
        above: dict[bytes, bytes] = {}
        for (learner_id, kind), relation in self.known.open_oversight.items():
            boss = keys.get(self.known.users[relation.user_id].learner_id or UUID(int=0))
            if kind == Oversight.Kind.MANAGER and learner_id in keys and boss is not None:
                above[keys[learner_id]] = boss
        for row in rows:
            if row.manager is None and row.manager_employee_id is None:
                continue
            above.pop(row.key, None)
            if manager_key := row.manager_key:
                above[row.key] = manager_key
        lines = {row.key: row for row in reversed(rows)}
        for circle in circles(above):
            inside = sorted(lines[key].line for key in circle if key in lines)
            if len(circle) == 1 or not inside:
                continue
            first = next(n for n, key in enumerate(circle) if key in lines and lines[key].line == inside[0])
            way = [*circle[first:], *circle[:first], circle[first]]
            names = [
                lines[key].called if key in lines else self._number(self.known.learners[key]) for key in way
            ]
            self.faults.append(Fault(inside[0], f"managers in a circle: {' → '.join(names)}"))
