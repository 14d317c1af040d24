"""What the database says about people before a roster is compared with it; a fixed number of queries."""

import hashlib
from datetime import date
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db.models import Q
from django.utils.text import slugify

from learners.identity import canonical, identifier_hash
from learners.models import Identifier, JobRole, Learner, OrgUnit, Oversight, User
from learners.models.people import login_hash
from learners.rolenames import ROSTER, Resemblance, decided, spelling
from learners.roster.reading import Row

Path = tuple[str, ...]


class About(NamedTuple):
    """The people concerned, where it is not everybody: by our own ids, with the addresses they are to have."""

    people: frozenset[UUID]
    emails: frozenset[str] = frozenset()


class Known:
    """People, accounts, relations, units and job roles, by what a roster calls them.

    What the roster adds is entered here too, unsaved, so that a later line finds what an earlier one made.

    With `about`, only these people are read, and they are known by `UUID.bytes` in place of the hash of a number.
    """

    def __init__(self, *, lock: bool, about: About | None = None, source: str = ROSTER) -> None:
        people = Learner.objects.filter(erased_at__isnull=True, merged_into__isnull=True).order_by("pk")
        people = people.filter(Q(employee_hash__isnull=False) if about is None else Q(pk__in=about.people))
        if lock:  # an erasure at the same time comes wholly before us or wholly after
            people = people.select_for_update(of=("self",), no_key=True)
        self.learners = {
            one.pk.bytes if about is not None else bytes(one.employee_hash or b""): one for one in people
        }
        self.merged = self._merged(about)
        users_about, identifiers_about, oversight_about = self._concerned(about)
        users = list(User.objects.filter(users_about).order_by("pk"))
        self.users = {one.pk: one for one in users}
        self.user_of = {one.learner_id: one for one in users if one.learner_id}
        self.user_by_login = {bytes(one.login_hash): one for one in users}
        self.open_identifiers: dict[bytes, tuple[int, UUID]] = {
            bytes(hashed): (pk, learner_id)
            for pk, hashed, learner_id in Identifier.objects.filter(identifiers_about, valid_to__isnull=True)
            .order_by("pk")
            .values_list("pk", "hash", "learner_id")
        }
        # From when an address may name somebody new: the day on which the last one it named lost it.
        self.free_since: dict[bytes, date] = {
            bytes(hashed): ended
            for hashed, ended in Identifier.objects.filter(identifiers_about, valid_to__isnull=False)
            .order_by("valid_to", "pk")
            .values_list("hash", "valid_to")
            if ended is not None
        }
        self.open_oversight = {
            (one.learner_id, one.kind): one
            for one in Oversight.objects.filter(oversight_about, to_date__isnull=True).order_by("pk")
        }
        self.resemblance: dict[str, Resemblance | None] = {}  # of the roles that are made
        self._load_structure(source)

    def _merged(self, about: About | None) -> dict[bytes, Learner]:
        """Records that were found to be somebody's second one, as a source knows them, and that somebody."""
        merged = Learner.objects.filter(merged_into__isnull=False)
        if about is not None:
            names = {pk: pk.bytes for pk in about.people}
        else:
            rows = merged.filter(employee_hash__isnull=False).values_list("pk", "employee_hash")
            names = {pk: bytes(hashed or b"") for pk, hashed in rows}
        kept = Learner.objects.kept_records(names)
        people = Learner.objects.in_bulk(set(kept.values()))
        return {names[pk]: people[into] for pk, into in kept.items()}

    def _concerned(self, about: About | None) -> tuple[Q, Q, Q]:
        """Which users, identifiers and relations concern these people."""
        if about is None:
            return Q(), Q(), Q()
        people = [one.pk for one in self.learners.values()]
        emails = {one.email for one in self.learners.values()} | about.emails
        emails.discard("")
        looking_after = Oversight.objects.filter(learner__in=people, to_date__isnull=True).values("user")
        users = (
            Q(learner__in=people)
            | Q(login_hash__in=[login_hash(email) for email in emails])
            | Q(pk__in=looking_after)
        )
        hashes = [identifier_hash(canonical("mbox", email)) for email in emails]
        return users, Q(hash__in=hashes), Q(learner__in=people)

    def _load_structure(self, source: str) -> None:
        units = {one.pk: one for one in OrgUnit.objects.order_by("pk")}
        self.path_of = unit_paths(units)
        self.units: dict[Path, OrgUnit] = {}
        for pk, path in self.path_of.items():
            self.units.setdefault(path, units[pk])
        self.unit_codes = {one.code for one in units.values()}
        self.job_roles: dict[str, JobRole] = {}
        roles = list(JobRole.objects.order_by("pk"))
        for one in roles:  # a name counts before somebody else's code
            self.job_roles.setdefault(one.name, one)
        for one in roles:
            self.job_roles.setdefault(one.code, one)
        self.role_by_code = {one.code: one for one in roles}
        self.role_codes = set(self.role_by_code)
        self.role_of = {one.pk: one for one in roles}
        self.decided_roles = {key: self.role_of[pk] for key, pk in decided(source).items()}

    def unit(self, path: Path, added: list[OrgUnit]) -> OrgUnit:
        """The unit with this path; it and those above it are made where they are missing."""
        found = self.units.get(path)
        if found is None:
            parent = self.unit(path[:-1], added) if path[:-1] else None
            found = OrgUnit(code=_code("-".join(path), self.unit_codes), name=path[-1], parent=parent)
            self.units[path] = found
            added.append(found)
        return found

    def job_role(self, row: Row, added: list[JobRole]) -> JobRole | None:
        """The row's job role: what somebody decided its name means, else the one with this name or code; else made."""
        if row.role_code:
            return self.role_by_code[row.role_code]
        name = row.job_role
        if not name:
            return None
        found = self.decided_roles.get(spelling(name)) or self.job_roles.get(name)
        if found is None:
            found = self.job_roles[name] = JobRole(code=_code(name, self.role_codes), name=name)
            added.append(found)
        return found

    def is_synonym(self, row: Row) -> bool:
        """Whether somebody decided what the row's job role means."""
        return spelling(row.job_role) in self.decided_roles

    def add_user(self, *, login: str, learner: Learner | None, roles: list[str]) -> User:
        """A new account that nobody can sign in to before an invitation sets its password."""
        hashed = login_hash(login)
        user = User(
            login=login,
            login_hash=hashed,
            name=learner.name if learner else "",
            learner_id=learner.pk if learner else None,
            time_zone=learner.time_zone if learner else "",
            language=learner.language if learner else "en",
            roles=roles,
            password=make_password(None),
        )
        self.users[user.pk] = user
        self.user_by_login[hashed] = user
        if learner:
            self.user_of[learner.pk] = user
        return user


def unit_paths(units: dict[int, OrgUnit] | None = None) -> dict[int, Path]:
    """Every unit's names from the top down, by its key."""
    units = units if units is not None else {one.pk: one for one in OrgUnit.objects.order_by("pk")}
    return {pk: _path(one, units) for pk, one in units.items()}


def _path(unit: OrgUnit, units: dict[int, OrgUnit]) -> Path:
    names: list[str] = []
    above: OrgUnit | None = unit
    while above is not None and len(names) < 64:  # a circle, which only a direct write can make, ends
        names.append(above.name)
        above = units[above.parent_id] if above.parent_id else None
    return tuple(reversed(names))


def _code(text: str, taken: set[str]) -> str:
    """A short code that nothing else has, the same for the same text."""
    code = slugify(text)[:64].strip("-")
    if not code or code in taken or len(slugify(text)) > 64:
        digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
        code = f"{code[:53].rstrip('-') or 'unit'}-{digest}"
    taken.add(code)
    return code
