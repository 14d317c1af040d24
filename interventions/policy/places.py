"""How the policy's form is built up: places of the document under headings, in people's words."""

from typing import NamedTuple


class Place(NamedTuple):
    """One field: where its value lives in the document, and how people call it."""

    place: str
    label: str
    help: str = ""


class Section(NamedTuple):
    title: str
    intro: str
    places: tuple[Place, ...]
