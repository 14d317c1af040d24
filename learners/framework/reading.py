"""Reads a competency framework; no database. Everything wrong in it is found in one go, each fault with its place.

Three forms lead to the same Framework: plain columns (CSV), our own JSON, and JSON as 1EdTech's CASE has it
(CFItems and CFAssociations).
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.text import slugify

from learners.models.levels import HIGHEST_LEVEL, LOWEST_LEVEL
from learners.models.organisation import validate_iri

COLUMNS = (
    "role",
    "role_name",
    "competency",
    "competency_name",
    "description",
    "broader",
    "level",
    "lesson",
    "lesson_name",
    "item",
    "item_name",
)
IMPACTS = ("standard", "elevated", "critical")
LONGEST_KEY, LONGEST_NAME, LONGEST_IRI, LONGEST_ROLE_CODE = 64, 120, 500, 64
LARGEST = 20 * 1024 * 1024
# CASE has no list of kinds; these are what frameworks call a job role.
CASE_ROLES = {"role", "job role", "occupation", "job"}


class Place(NamedTuple):
    """Where in the file something is said: a line of a table, a path in JSON."""

    line: int
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"line {self.line}"


class Fault(NamedTuple):
    """Something to mend in the file, and how."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class FrameworkFaults(Exception):
    """The framework was not applied; each fault names its place and what to mend."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass
class RoleSaid:
    code: str
    place: Place
    name: str = ""
    impact: str = ""


@dataclass
class CompetencySaid:
    key: str
    place: Place
    name: str = ""
    description: str = ""
    broader: str = ""  # the key of the competency it is part of


@dataclass
class DemandSaid:
    """A role asks for a competency; level None: none is stated."""

    level: int | None
    position: int
    place: Place


@dataclass
class LessonSaid:
    iri: str
    competency: str
    position: int
    place: Place
    name: str = ""


@dataclass
class ItemSaid:
    iri: str
    competency: str
    position: int
    place: Place
    lesson: str = ""  # its IRI
    name: str = ""


@dataclass
class Framework:
    """What a file says, and what is wrong with it."""

    roles: dict[str, RoleSaid] = field(default_factory=dict)
    competencies: dict[str, CompetencySaid] = field(default_factory=dict)
    demands: dict[tuple[str, str], DemandSaid] = field(default_factory=dict)
    lessons: dict[str, LessonSaid] = field(default_factory=dict)
    items: dict[str, ItemSaid] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def wrong(self, place: Place, text: str) -> None:
        self.faults.append(Fault(place, text))

    # Each is said once or several times; two places that contradict each other are a fault.

    def role(self, place: Place, code: str, *, name: str = "", impact: str = "") -> str:
        if len(code) > LONGEST_ROLE_CODE:
            self.wrong(
                place, f"the role {code[:20]!r}… has more than {LONGEST_ROLE_CODE} characters; shorten it"
            )
        if impact and impact not in IMPACTS:
            self.wrong(place, f"unknown impact {impact!r}; known are {', '.join(IMPACTS)}")
        said = self.roles.setdefault(code, RoleSaid(code, place))
        self._fill(place, said, f"role {code}", name=self._name(place, name), impact=impact)
        return code

    def competency(
        self, place: Place, key: str, *, name: str = "", description: str = "", broader: str = ""
    ) -> str:
        if slugify(key) != key.lower() or len(key) > LONGEST_KEY:
            self.wrong(
                place,
                f"competency {key[:40]!r} is no key; write letters, digits and hyphens, as in "
                f"{slugify(key)[:LONGEST_KEY] or 'safe-handling'!r}, and the words under its name",
            )
        said = self.competencies.setdefault(key, CompetencySaid(key, place))
        self._fill(
            place,
            said,
            f"competency {key}",
            name=self._name(place, name),
            description=description,
            broader=broader,
        )
        return key

    def demand(self, place: Place, role: str, competency: str, level: Any) -> None:
        wanted: int | None = None
        text = "" if level is None else str(level).strip()
        if text:
            if text.isdigit() and LOWEST_LEVEL <= int(text) <= HIGHEST_LEVEL:
                wanted = int(text)
            else:
                self.wrong(
                    place, f"level {text[:20]!r} is not on the scale; write {LOWEST_LEVEL} to {HIGHEST_LEVEL}"
                )
        position = sum(1 for one in self.demands if one[0] == role)
        said = self.demands.setdefault((role, competency), DemandSaid(wanted, position, place))
        if wanted is not None and said.level is None:
            said.level = wanted
        if wanted is not None and said.level != wanted:
            self.wrong(
                place,
                f"role {role} asks for {competency} at level {wanted} here and {said.level} in {said.place}; keep one",
            )

    def lesson(self, place: Place, competency: str, iri: str, *, name: str = "") -> str:
        self._iri(place, "lesson", iri)
        position = sum(1 for one in self.lessons.values() if one.competency == competency)
        said = self.lessons.setdefault(iri, LessonSaid(iri, competency, position, place))
        if said.competency != competency:
            self.wrong(
                place,
                f"lesson {iri} teaches {said.competency} in {said.place} and {competency} here; keep one",
            )
        self._fill(place, said, f"lesson {iri}", name=self._name(place, name, longest=200))
        return iri

    def item(self, place: Place, competency: str, iri: str, *, lesson: str = "", name: str = "") -> None:
        self._iri(place, "item", iri)
        position = sum(1 for one in self.items.values() if one.competency == competency)
        said = self.items.setdefault(iri, ItemSaid(iri, competency, position, place))
        if said.competency != competency:
            self.wrong(
                place, f"item {iri} shows {said.competency} in {said.place} and {competency} here; keep one"
            )
        self._fill(place, said, f"item {iri}", lesson=lesson, name=self._name(place, name, longest=200))

    def _fill(self, place: Place, said: Any, what: str, **values: str) -> None:
        for name, value in values.items():
            known = getattr(said, name)
            if value and not known:
                setattr(said, name, value)
            elif value and value != known:
                self.wrong(place, f"{what} has another {name} here than in {said.place}; keep one")

    def _name(self, place: Place, name: str, *, longest: int = LONGEST_NAME) -> str:
        if len(name) > longest:
            self.wrong(place, f"the name {name[:20]!r}… has more than {longest} characters; shorten it")
        return name

    def _iri(self, place: Place, what: str, iri: str) -> None:
        try:
            validate_iri(iri)
        except ValidationError:
            self.wrong(
                place, f"{what} {iri[:60]!r} is no IRI; write the activity's id, such as https://… or urn:…"
            )
        if len(iri) > LONGEST_IRI:
            self.wrong(place, f"the IRI of this {what} has more than {LONGEST_IRI} characters")


def read(content: bytes) -> Framework:
    """The framework in a file: JSON where it begins like JSON, else a table."""
    framework = Framework()
    if len(content) > LARGEST:
        framework.wrong(Place(1), f"the file has more than {LARGEST // 1024 // 1024} MB; split it")
        return framework
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        framework.wrong(Place(line), "this is not UTF-8: save the file as UTF-8")
        return framework
    if "\0" in text:
        framework.wrong(
            Place(text.count("\n", 0, text.index("\0")) + 1), "this line has a character that is none (NUL)"
        )
        return framework
    if text.lstrip()[:1] in ("{", "["):
        _read_json(text, framework)
    else:
        _read_table(text, framework)
    said = (framework.roles, framework.competencies, framework.demands, framework.lessons, framework.items)
    if not any(said) and not framework.faults:
        framework.wrong(Place(1), "there is nothing in this file")
    return framework


# tables


def _read_table(text: str, framework: Framework) -> None:
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        for text_fault in _header_faults(header):
            framework.wrong(Place(1), text_fault)
        if framework.faults:
            return
        framework.ignored = [name for name in header if name and name not in COLUMNS]
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) == len(header):
                    found = dict(zip(header, (cell.strip() for cell in cells), strict=True))
                    _row(Place(line), {name: found.get(name, "") for name in COLUMNS}, framework)
                else:
                    framework.wrong(Place(line), f"{len(cells)} cells where the header has {len(header)}")
            line = reader.line_num + 1
    except csv.Error as fault:
        framework.wrong(Place(line), f"this line cannot be read as CSV ({fault})")


def _header_faults(header: list[str]) -> Iterator[str]:
    if "competency" not in header:
        yield f"the first line must name the columns, competency among them; known are {', '.join(COLUMNS)}"
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        yield f"the column {name} is there twice"


def _row(place: Place, cells: dict[str, str], framework: Framework) -> None:
    role, competency = cells["role"], cells["competency"]
    if role:
        framework.role(place, role, name=cells["role_name"])
    if not competency:
        for name in ("level", "lesson", "item", "competency_name", "broader"):
            if cells[name]:
                framework.wrong(place, f"{name} belongs to a competency, and competency is empty")
                break
        return
    framework.competency(
        place,
        competency,
        name=cells["competency_name"],
        description=cells["description"],
        broader=cells["broader"],
    )
    if role:
        framework.demand(place, role, competency, cells["level"])
    elif cells["level"]:
        framework.wrong(place, "level says what a role asks for, and role is empty")
    if cells["lesson"]:
        framework.lesson(place, competency, cells["lesson"], name=cells["lesson_name"])
    if cells["item"]:
        framework.item(place, competency, cells["item"], lesson=cells["lesson"], name=cells["item_name"])


# JSON


def _is_text(document: Any) -> bool:
    """Whether all texts in it can be kept: JSON's escapes can write what no database holds."""
    try:
        return b"\\u0000" not in json.dumps(document, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False


def _read_json(text: str, framework: Framework) -> None:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as fault:
        framework.wrong(Place(fault.lineno), f"this is not JSON: {fault.msg}")
        return
    except RecursionError:
        framework.wrong(Place(1), "this JSON is nested too deep")
        return
    if not _is_text(document):
        framework.wrong(Place(1), r"a text in it has a character that is none (\u0000, or half of a pair)")
    elif not isinstance(document, dict):
        framework.wrong(
            Place(1), "the file must hold one object, with roles and competencies or with CFItems"
        )
    elif "CFItems" in document:
        _read_case(document, framework)
    else:
        _read_ours(document, framework)


def _objects(
    parent: dict[str, Any], name: str, path: str, framework: Framework
) -> Iterator[tuple[Place, Any]]:
    """Each object of a list, with its place; anything else is a fault."""
    found = parent.get(name) or []
    if not isinstance(found, list):
        framework.wrong(Place(0, path), f"{name} is no list")
        return
    for number, one in enumerate(found):
        place = Place(number, f"{path}[{number}]")
        if isinstance(one, dict):
            yield place, one
        else:
            framework.wrong(place, "this is no object")


def _text(one: dict[str, Any], name: str) -> str:
    value = one.get(name)
    return "" if value is None or isinstance(value, dict | list) else str(value).strip()


def _read_ours(document: dict[str, Any], framework: Framework) -> None:
    framework.ignored = [name for name in document if name not in ("roles", "competencies")]
    for place, one in _objects(document, "competencies", "competencies", framework):
        key = _text(one, "key")
        if not key:
            framework.wrong(place, "key is missing: give the competency a short one, as in safe-handling")
            continue
        framework.competency(
            place,
            key,
            name=_text(one, "name"),
            description=_text(one, "description"),
            broader=_text(one, "broader"),
        )
        for lesson_place, lesson in _objects(one, "lessons", f"{place.path}.lessons", framework):
            iri = framework.lesson(lesson_place, key, _text(lesson, "iri"), name=_text(lesson, "name"))
            for item_place, item in _objects(lesson, "items", f"{lesson_place.path}.items", framework):
                framework.item(item_place, key, _text(item, "iri"), lesson=iri, name=_text(item, "name"))
        for item_place, item in _objects(one, "items", f"{place.path}.items", framework):
            framework.item(item_place, key, _text(item, "iri"), name=_text(item, "name"))
    for place, one in _objects(document, "roles", "roles", framework):
        code = _text(one, "code")
        if not code:
            framework.wrong(place, "code is missing: give the role's code or name")
            continue
        framework.role(place, code, name=_text(one, "name"), impact=_text(one, "impact").lower())
        for wanted_place, wanted in _objects(one, "competencies", f"{place.path}.competencies", framework):
            key = _text(wanted, "competency")
            if key:
                framework.competency(wanted_place, key)
                framework.demand(wanted_place, code, key, wanted.get("level"))
            else:
                framework.wrong(wanted_place, "competency is missing: name one by its key")


def _read_case(document: dict[str, Any], framework: Framework) -> None:
    """CASE 1.0: items are competencies, or roles by their CFItemType; isChildOf and isPartOf say what is broader."""
    kinds: dict[str, tuple[str, str]] = {}  # identifier → ("role" | "competency", key)
    for place, one in _objects(document, "CFItems", "CFItems", framework):
        identifier, name = (
            _text(one, "identifier"),
            _text(one, "abbreviatedStatement") or _text(one, "fullStatement"),
        )
        if not identifier or not name:
            framework.wrong(place, "identifier or fullStatement is missing, both of which CASE demands")
            continue
        code = _text(one, "humanCodingScheme") or name
        if _text(one, "CFItemType").lower() in CASE_ROLES:
            kinds[identifier] = (
                "role",
                framework.role(place, code[:LONGEST_ROLE_CODE], name=name[:LONGEST_NAME]),
            )
            continue
        key = slugify(code)[:LONGEST_KEY].strip("-") or slugify(identifier)[:LONGEST_KEY]
        if key in framework.competencies:
            framework.wrong(
                place,
                f"{code[:40]!r} has the same key as {framework.competencies[key].place}; give it another code",
            )
            continue
        framework.competency(place, key, name=name[:LONGEST_NAME], description=_text(one, "fullStatement"))
        kinds[identifier] = ("competency", key)
    for place, one in _objects(document, "CFAssociations", "CFAssociations", framework):
        ends = [
            kinds.get(_text(end if isinstance(end, dict) else {}, "identifier"))
            for end in (one.get("originNodeURI"), one.get("destinationNodeURI"))
        ]
        if ends[0] is None or ends[1] is None:
            continue  # to the document itself, or into another framework
        (kind, key), (other_kind, other) = ends[0], ends[1]
        if kind == other_kind == "competency":
            if _text(one, "associationType") in ("isChildOf", "isPartOf"):
                framework.competency(place, key, broader=other)
        elif kind != other_kind:
            role, competency = (key, other) if kind == "role" else (other, key)
            framework.demand(place, role, competency, None)
