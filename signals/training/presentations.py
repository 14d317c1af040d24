"""Courses as their source names them: "2013J" is the last part of an IRI's path, the module the one before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from learners.models import Course, Enrolment, Identifier

_AT_ONCE = 2000
# What a source's own number is taken from first.
_KINDS = (Identifier.Kind.ACCOUNT, Identifier.Kind.EMPLOYEE)


class UnknownPresentation(ValueError):
    """No course has this presentation; the message names what is there."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """One run of a course, as its source names it."""

    course_id: int
    module: str
    name: str


def find(names: Sequence[str]) -> list[Presentation]:
    """The runs with these names, of every module. Raises UnknownPresentation."""
    every = [_of(pk, iri) for pk, iri in Course.objects.order_by("pk").values_list("pk", "iri")]
    there = {one.name for one in every}
    absent = [name for name in dict.fromkeys(names) if name not in there]
    if absent:
        told = (
            ", ".join(sorted(there))
            or "none: import some first (manage.py import_oulad DIR --presentation …)"
        )
        raise UnknownPresentation(f"No course has the presentation {', '.join(absent)}. There are: {told}.")
    return [one for one in every if one.name in set(names)]


def own_ids(enrolment_ids: Iterable[int]) -> dict[int, str]:
    """How the source names the person of each enrolment; identifiers are decrypted here.

    What stands after the last "-" of an account's name where that is a number, else the whole name; the learner's uuid
    where no system has named them.
    """
    learners = dict(
        Enrolment.objects.filter(pk__in=set(enrolment_ids)).order_by().values_list("pk", "learner_id")
    )
    named: dict[UUID, str] = {}
    wanted = sorted(set(learners.values()))
    for first in range(0, len(wanted), _AT_ONCE):
        for row in Identifier.objects.filter(
            learner__in=wanted[first : first + _AT_ONCE], kind__in=_KINDS
        ).order_by("learner", "pk"):
            if row.learner_id not in named or row.kind == Identifier.Kind.ACCOUNT:
                named[row.learner_id] = own_id(row.value)
    return {enrolment: named.get(learner, str(learner)) for enrolment, learner in learners.items()}


def own_id(value: str) -> str:
    """ "123" of "…oulad-student-123"; a name without such a number as it is."""
    name = value.rpartition("|")[2]
    number = name.rpartition("-")[2]
    return number if number.isdigit() else name


def _of(course_id: int, iri: str) -> Presentation:
    parts = (urlsplit(iri).path.strip("/") or iri).split("/")
    return Presentation(course_id, parts[-2] if len(parts) > 1 else "", parts[-1])
