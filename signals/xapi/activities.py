"""The standard's rules for activities, their definitions, and the forms they share with the rest."""

from typing import Any

from signals.xapi.faults import Faults
from signals.xapi.primitives import is_iri, is_language

ACTIVITY = frozenset({"objectType", "id", "definition"})
INTERACTION = frozenset({"correctResponsesPattern", "choices", "scale", "source", "target", "steps"})
DEFINITION = (
    frozenset({"name", "description", "type", "moreInfo", "extensions", "interactionType"}) | INTERACTION
)
INTERACTION_TYPES = frozenset(
    {
        "true-false",
        "choice",
        "fill-in",
        "long-fill-in",
        "matching",
        "performance",
        "sequencing",
        "likert",
        "numeric",
        "other",
    }
)
COMPONENT = frozenset({"id", "description"})


def check_activity(value: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with an activity."""
    if type(value) is not dict:
        faults.wrong_type(path, value, "an activity (an object)")
        return
    if not value.keys() <= ACTIVITY:
        faults.unknown(path, set(value) - ACTIVITY, ACTIVITY)
    if "objectType" in value and value["objectType"] != "Activity":
        faults.add(f"{path}.objectType", "is not Activity", 'Send "Activity", or leave it out.')
    check_iri(value, "id", path, faults, required=True)
    if "definition" in value:
        _check_definition(value["definition"], f"{path}.definition", faults)


def _check_definition(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not dict:
        faults.wrong_type(path, value, "a definition (an object)")
        return
    keys = value.keys()
    if not keys <= DEFINITION:
        faults.unknown(path, set(value) - DEFINITION, DEFINITION)
    if "name" in value:
        check_language_map(value["name"], f"{path}.name", faults)
    if "description" in value:
        check_language_map(value["description"], f"{path}.description", faults)
    if "type" in value:
        check_iri(value, "type", path, faults)
    if "moreInfo" in value:
        check_iri(value, "moreInfo", path, faults)
    if "extensions" in value:
        check_extensions(value["extensions"], f"{path}.extensions", faults)
    if "interactionType" in value or not keys.isdisjoint(INTERACTION):
        _check_interaction(value, path, faults)


def _check_interaction(value: dict[str, Any], path: str, faults: Faults) -> None:
    kind = value.get("interactionType")
    if "interactionType" not in value:
        faults.missing(path, "interactionType", "Say which interaction its answers belong to.")
    elif type(kind) is not str or kind not in INTERACTION_TYPES:
        faults.add(
            f"{path}.interactionType",
            "is not one of the standard's",
            f"Send one of {', '.join(sorted(INTERACTION_TYPES))}.",
        )
    if "correctResponsesPattern" in value:
        patterns = value["correctResponsesPattern"]
        if type(patterns) is not list or any(type(pattern) is not str for pattern in patterns):
            faults.add(
                f"{path}.correctResponsesPattern",
                "is not an array of texts",
                "Send an array of texts.",
                "type",
            )
    for name in ("choices", "scale", "source", "target", "steps"):
        if name in value:
            _check_components(value[name], f"{path}.{name}", faults)


def _check_components(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not list:
        faults.wrong_type(path, value, "an array of interaction components")
        return
    seen: set[str] = set()
    for number, component in enumerate(value):
        where = f"{path}[{number}]"
        if type(component) is not dict:
            faults.wrong_type(where, component, "an interaction component (an object)")
            continue
        if not component.keys() <= COMPONENT:
            faults.unknown(where, set(component) - COMPONENT, COMPONENT)
        name = component.get("id")
        if "id" not in component:
            faults.missing(where, "id", "Give each component an id.")
        elif type(name) is not str:
            faults.wrong_type(f"{where}.id", name, "text")
        elif name in seen:
            faults.add(f"{where}.id", "is used twice", "Give each component of the list its own id.")
        else:
            seen.add(name)
        if "description" in component:
            check_language_map(component["description"], f"{where}.description", faults)


def check_iri(value: dict[str, Any], name: str, path: str, faults: Faults, *, required: bool = False) -> None:
    """Adds what is wrong with an IRI held under a name."""
    iri = value.get(name)
    if type(iri) is str:
        if not is_iri(iri):
            faults.add(
                f"{path}.{name}", "is not an IRI", 'Send an absolute IRI with its scheme, as in "https://…".'
            )
    elif name in value:
        faults.wrong_type(f"{path}.{name}", iri, "an IRI as text")
    elif required:
        faults.missing(path, name, "Send an absolute IRI.")


def check_language_map(value: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with texts by language."""
    if type(value) is not dict:
        faults.wrong_type(path, value, 'texts by language, as in {"en": "…"}')
        return
    for language, text in value.items():
        if not is_language(language):
            faults.add(
                f"{path}.{language[:40]}", "is not a language tag", 'Use a tag of RFC 5646, such as "en-GB".'
            )
        if type(text) is not str:
            faults.wrong_type(f"{path}.{language[:40]}", text, "text")


def check_extensions(value: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with extensions: their keys are IRIs, their values are free."""
    if type(value) is not dict:
        faults.wrong_type(path, value, "an object whose keys are IRIs")
        return
    for key in value:
        if not is_iri(key):
            faults.add(
                f"{path}.{key[:80]}", "is a key that is not an IRI", "Name the extension by an absolute IRI."
            )
