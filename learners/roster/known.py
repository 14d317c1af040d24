"""What the database says about people before a roster is compared with it; a fixed number of queries."""

import hashlib
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.utils.text import slugify

from learners.models import Identifier, JobRole, Learner, OrgUnit, Oversight, User
from learners.models.people import login_hash

Path = tuple[str, ...]


class Known:
    """People, accounts, relations, units and job roles, by what a roster calls them.

    What the roster adds is entered here too, unsaved, so that a later line finds what an earlier one made.
    """

    def __init__(self, *, lock: bool) -> None:
        people = Learner.objects.filter(employee_hash__isnull=False, erased_at__isnull=True).order_by("pk")
        if lock:  # an erasure at the same time comes wholly before us or wholly after
            people = people.select_for_update(of=("self",), no_key=True)
        self.learners = {bytes(one.employee_hash or b""): one for one in people}
        users = list(User.objects.order_by("pk"))
        self.users = {one.pk: one for one in users}
        self.user_of = {one.learner_id: one for one in users if one.learner_id}
        self.user_by_login = {bytes(one.login_hash): one for one in users}
        self.open_identifiers: dict[bytes, tuple[int, UUID]] = {
            bytes(hashed): (pk, learner_id)
            for pk, hashed, learner_id in Identifier.objects.filter(valid_to__isnull=True)
            .order_by("pk")
            .values_list("pk", "hash", "learner_id")
        }
        self.open_oversight = {
            (one.learner_id, one.kind): one
            for one in Oversight.objects.filter(to_date__isnull=True).order_by("pk")
        }
        self._load_structure()

    def _load_structure(self) -> None:
        units = {one.pk: one for one in OrgUnit.objects.order_by("pk")}
        self.path_of = {pk: _path(one, units) for pk, one in units.items()}
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
        self.role_codes = {one.code for one in roles}
        self.role_of = {one.pk: one for one in roles}

    def unit(self, path: Path, added: list[OrgUnit]) -> OrgUnit:
        """The unit with this path; it and those above it are made where they are missing."""
        found = self.units.get(path)
        if found is None:
            parent = self.unit(path[:-1], added) if path[:-1] else None
            found = OrgUnit(code=_code("-".join(path), self.unit_codes), name=path[-1], parent=parent)
            self.units[path] = found
            added.append(found)
        return found

    def job_role(self, name: str, added: list[JobRole]) -> JobRole:
        """The job role with this name or code; made where it is missing."""
        found = self.job_roles.get(name)
        if found is None:
            found = self.job_roles[name] = JobRole(code=_code(name, self.role_codes), name=name)
            added.append(found)
        return found

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
