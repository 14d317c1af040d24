"""Whether what goes live would be acted upon. Acting is decided above this app: whoever does registers here."""

from collections.abc import Callable

# (name of the model that would be live) → why that must not be, and what to do; None where there is nothing to say.
Objection = Callable[[str], str | None]
_objections: list[Objection] = []


def object_with(objection: Objection) -> None:
    """Registers somebody who acts on risks and may trust only some models. It must write nothing."""
    if objection not in _objections:
        _objections.append(objection)


def objections(name: str) -> list[str]:
    """What is said against this model being live, each with what to do."""
    return [told for objection in _objections if (told := objection(name)) is not None]
