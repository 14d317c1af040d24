"""Brings the competency framework in line with a file: all of it in one transaction, or nothing of it.

What the file does not mention stays, and is listed; with `prune`, what roles of the file no longer ask for goes, and
so do lessons and items of its competencies that it no longer names. Roles and competencies are never removed here:
people's records hang on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from consent import audit
from consent.actors import SYSTEM, Party
from learners.framework.reading import Framework, FrameworkFaults, read
from learners.models import Competency, CompetencyItem, CompetencyLesson, JobRole, RoleCompetency
from learners.rolenames import ROSTER, decided, spelling
from learners.roster.reading import circles

ONE_AT_A_TIME = 7_301_115  # the number of an advisory lock, the same in every process


@dataclass
class Change:
    """What the file changed, or would: lines of "+ new", "~ changed: what" and "- gone"."""

    lines: list[str] = field(default_factory=list)
    not_in_file: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def new(self, what: str) -> None:
        self.lines.append(f"+ {what}")

    def changed(self, what: str, values: Sequence[str]) -> None:
        self.lines.append(f"~ {what}: {', '.join(values)}")

    def gone(self, what: str) -> None:
        self.lines.append(f"- {what}")

    def text(self) -> list[str]:
        """The change for a person to read."""
        return [
            *(self.lines or ["Nothing to change."]),
            *(f"not in file: {one}" for one in self.not_in_file),
            *(f"not read: {one}" for one in self.ignored),
        ]


def import_framework(
    content: bytes, *, now: datetime, by: Party = SYSTEM, dry_run: bool = False, prune: bool = False
) -> Change:
    """What the file changed (or would, in a dry run). Raises FrameworkFaults, and then nothing has changed."""
    framework = read(content)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        writing = _Writing(framework)
        writing.check_database()
        if framework.faults:
            raise FrameworkFaults(framework.faults)
        writing.apply(prune=prune)
        if dry_run:
            transaction.set_rollback(True)
        elif writing.change.lines:
            counts = {sign: sum(line.startswith(sign) for line in writing.change.lines) for sign in "+~-"}
            audit.record(
                actor=by,
                action="framework.imported",
                target=SYSTEM,
                now=now,
                detail={"added": counts["+"], "changed": counts["~"], "removed": counts["-"]},
            )
    writing.change.ignored = framework.ignored
    return writing.change


class _Writing:
    """One import: what is known, what the file says, and the difference."""

    def __init__(self, framework: Framework) -> None:
        self.said, self.change = framework, Change()
        self.competencies = {one.key: one for one in Competency.objects.order_by("pk")}
        roles = list(JobRole.objects.order_by("pk"))
        by_id = {one.pk: one for one in roles}
        # A role is meant by its code, else by its name, else by what somebody decided the name means.
        self.roles: dict[str, JobRole] = {
            code: found
            for code in framework.roles
            if (
                found := next((one for one in roles if one.code == code), None)
                or next((one for one in roles if spelling(one.name) == spelling(code)), None)
                or by_id.get(decided(ROSTER).get(spelling(code), 0))
            )
        }

    def check_database(self) -> None:
        """Faults that only the database can show."""
        keys = {one.pk: key for key, one in self.competencies.items()}
        above = {key: keys.get(one.parent_id or 0, "") for key, one in self.competencies.items()}
        above |= {one.key: one.broader for one in self.said.competencies.values() if one.broader}
        for one in self.said.competencies.values():
            if one.broader and one.broader not in above and one.broader not in self.said.competencies:
                self.said.wrong(
                    one.place,
                    f"the broader competency {one.broader} is neither in this file nor known; add it",
                )
        for circle in circles({key: up for key, up in above.items() if up}):
            inside = next(
                (self.said.competencies[key] for key in circle if key in self.said.competencies), None
            )
            if inside is not None:
                way = " → ".join([*circle, circle[0]])
                self.said.wrong(inside.place, f"competencies in a circle: {way}; take one link out")
        meant: dict[str, str] = {}
        for code, role in self.roles.items():
            if (other := meant.setdefault(role.code, code)) != code:
                self.said.wrong(
                    self.said.roles[code].place,
                    f"{code} and {other} are one role ({role.code}); use one of them",
                )

    def apply(self, *, prune: bool) -> None:
        self._competencies()
        self._roles()
        self._demands(prune)
        lessons = self._activities(CompetencyLesson, "lesson", self.said.lessons, {}, prune)
        self._activities(CompetencyItem, "item", self.said.items, lessons, prune)
        self.change.not_in_file += [
            f"competency {key}" for key in sorted(self.competencies.keys() - self.said.competencies.keys())
        ]

    def _competencies(self) -> None:
        known, new, changed = dict(self.competencies), [], []
        for said in self.said.competencies.values():
            one = self.competencies.get(said.key)
            if one is None:
                one = self.competencies[said.key] = Competency(
                    key=said.key, name=said.name or said.key, description=said.description
                )
                new.append(one)
                self.change.new(f"competency {said.key}" + (f" ({said.name})" if said.name else ""))
            elif values := _set(one, name=said.name, description=said.description):
                changed.append(one)
                self.change.changed(f"competency {said.key}", values)
        Competency.objects.bulk_create(new)
        Competency.objects.bulk_update(changed, ["name", "description"])
        moved = []
        for said in self.said.competencies.values():
            one, above = self.competencies[said.key], self.competencies.get(said.broader)
            if above is not None and one.parent_id != above.pk:
                one.parent = above
                moved.append(one)
                if said.key in known:
                    self.change.changed(f"competency {said.key}", [f"part of {said.broader}"])
        Competency.objects.bulk_update(moved, ["parent"])
        self.competencies = known | self.competencies

    def _roles(self) -> None:
        new, changed = [], []
        for said in self.said.roles.values():
            one = self.roles.get(said.code)
            if one is None:
                one = self.roles[said.code] = JobRole(
                    code=said.code, name=said.name or said.code, impact=said.impact or JobRole.Impact.STANDARD
                )
                new.append(one)
                self.change.new(f"role {said.code} ({one.name}, {one.impact})")
            elif values := _set(one, name=said.name, impact=said.impact):
                changed.append(one)
                self.change.changed(f"role {said.code}", values)
        JobRole.objects.bulk_create(new)
        JobRole.objects.bulk_update(changed, ["name", "impact"])

    def _demands(self, prune: bool) -> None:
        known = {
            (one.job_role_id, one.competency_id): one
            for one in RoleCompetency.objects.filter(job_role__in=self.roles.values()).select_related(
                "job_role", "competency"
            )
        }
        new, changed, met = [], [], set()
        for (role, competency), said in self.said.demands.items():
            key = (self.roles[role].pk, self.competencies[competency].pk)
            met.add(key)
            one = known.get(key)
            level = f" at {said.level}" if said.level else ""
            if one is None:
                new.append(
                    RoleCompetency(
                        job_role_id=key[0], competency_id=key[1], level=said.level, position=said.position
                    )
                )
                self.change.new(f"role {role} asks for {competency}{level}")
            elif said.level is not None and one.level != said.level:
                self.change.changed(
                    f"role {role} asks for {competency}", [f"level {one.level or '-'} → {said.level}"]
                )
                one.level = said.level
                changed.append(one)
        RoleCompetency.objects.bulk_create(new)
        RoleCompetency.objects.bulk_update(changed, ["level"])
        over = [one for key, one in known.items() if key not in met]
        self._leave_out(
            [(one, f"role {one.job_role.code} asks for {one.competency.key}") for one in over], prune
        )

    def _activities(
        self, model: Any, what: str, said_of: dict[str, Any], lessons: dict[str, Any], prune: bool
    ) -> dict[str, Any]:
        mine = [self.competencies[key].pk for key in self.said.competencies]
        known = {one.iri: one for one in model.objects.filter(iri__in=list(said_of))}
        new, changed = [], []
        fields = ["name", "competency", *(["lesson"] if model is CompetencyItem else [])]
        for iri, said in said_of.items():
            wanted = {"competency_id": self.competencies[said.competency].pk}
            if model is CompetencyItem and said.lesson:
                wanted["lesson_id"] = lessons[said.lesson].pk
            one = known.get(iri)
            if one is None:
                one = known[iri] = model(
                    iri=iri, name=said.name or iri[-200:], position=said.position, **wanted
                )
                new.append(one)
                self.change.new(f"{what} {iri} of {said.competency}")
                continue
            values = _set(one, name=said.name)
            for name, value in wanted.items():
                if getattr(one, name) != value:
                    setattr(one, name, value)
                    values.append(f"{name.removesuffix('_id')} is another")
            if values:
                changed.append(one)
                self.change.changed(f"{what} {iri}", values)
        model.objects.bulk_create(new)
        model.objects.bulk_update(changed, fields)
        over = model.objects.filter(competency__in=mine).exclude(iri__in=list(said_of)).order_by("iri")
        self._leave_out([(one, f"{what} {one.iri}") for one in over], prune)
        return known

    def _leave_out(self, rows: list[tuple[Any, str]], prune: bool) -> None:
        if not prune:
            self.change.not_in_file += [said for _, said in rows]
        elif rows:
            type(rows[0][0]).objects.filter(pk__in=[row.pk for row, _ in rows]).delete()
            for _, said in rows:
                self.change.gone(said)


def _set(row: Any, **values: str) -> list[str]:
    """Sets what is said and differs; what it was and is. An empty value says nothing."""
    changes = []
    for name, value in values.items():
        if value and getattr(row, name) != value:
            changes.append(f"{name} {getattr(row, name)!r} → {value!r}" if name != "description" else name)
            setattr(row, name, value)
    return changes


__all__ = ["Change", "FrameworkFaults", "import_framework"]
