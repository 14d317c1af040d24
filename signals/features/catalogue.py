"""The list of all features, for people: what each says, how far back it looks, who answers for it."""

from collections.abc import Iterator

from signals.features.definitions import FEATURE_SET, FEATURES, Feature

HEAD = ("key", "name", "window", "unit", "version", "owner", "sensitivity", "speaks for", "model input")


def rows(features: tuple[Feature, ...] = FEATURES) -> Iterator[tuple[str, ...]]:
    """One row of text per feature, in the order of HEAD."""
    for feature in features:
        yield (
            feature.key,
            feature.name,
            feature.window,
            feature.unit,
            str(feature.version),
            feature.owner,
            feature.sensitivity.value,
            ", ".join(feature.speaks_for),
            "yes" if feature.is_model_input else "no",
        )


def page() -> str:
    """docs/features.md. `manage.py features --markdown` prints it; a test keeps the file current."""
    lines = [
        "# Features",
        "",
        f"Feature set `{FEATURE_SET}`. Made by `manage.py features --markdown > docs/features.md` from the definitions"
        " in `signals/features/`; do not edit by hand.",
        "",
        "Unknown is unknown (null), never nought; counts of nothing are nought. Days and hours are UTC. A percentile"
        " compares with the people of the same course and start, and is unknown where fewer than ten are known. "
        "*Speaks for* says which of our steps can do something about what the feature says.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
        *("| " + " | ".join(row) + " |" for row in rows()),
    ]
    return "\n".join(lines) + "\n"
