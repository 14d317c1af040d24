"""A model card as text, for a file beside the model or a review."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from signals.models import ModelVersion
from signals.training import fairness
from signals.training.card import LEAST_SHOWN, Card, Figure, read

METRICS = {
    "auc": "AUC",
    "ap": "AP",
    "ece": "ECE",
    "brier": "Brier",
    "precision_at_10": "Precision, top 10 %",
}
RATES = {
    "tpr": "Found of those who need help",
    "fpr": "False alarms",
    "precision": "Right when flagged",
    "selection": "Flagged",
}


def figure(one: Figure | None, digits: int = 3) -> str:
    """0.812 (0.801 to 0.823)."""
    if one is None or one.value is None:
        return "–"
    if one.low is None or one.high is None:
        return f"{one.value:.{digits}f}"
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def shown(groups: Mapping[str, Mapping[str, Figure]]) -> dict[str, Mapping[str, Figure]]:
    """The groups that may be shown: none of fewer than five people."""
    return {
        name: figures
        for name, figures in groups.items()
        if max((one.n for one in figures.values()), default=0) >= LEAST_SHOWN
    }


def columns(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which metrics these tables hold, in the usual order."""
    held = {name for table in tables for name in table}
    return [name for name in METRICS if name in held] + sorted(held - set(METRICS))


def facts(model: ModelVersion, card: Card) -> list[tuple[str, str]]:
    """What there is to say in a line each."""
    data, dates, label = card.data, card.dates, card.label
    lines = [
        ("Kind", card.method.says or model.kind),
        ("Calibration", card.method.calibration),
        (
            "Learned from",
            f"{data.rows:,} looks at {data.people:,} people; for {data.positives:,} it came true"
            if data.rows
            else "",
        ),
        ("Runs", ", ".join(data.cohorts)),
        ("Days since the start", ", ".join(map(str, data.days))),
        ("Dates of the rows", f"{dates.first[:10]} to {dates.last[:10]}" if dates.first else ""),
        (
            "Nothing known after",
            dates.as_of[:16].replace("T", " ")
            or (f"{model.trained_as_of:%Y-%m-%d %H:%M}" if model.trained_as_of else ""),
        ),
        ("Label", " – ".join(part for part in (label.key or model.label, label.question) if part)),
        ("Warns of", label.warns_of),
        ("Features", f"{len(card.features)} of {model.feature_set}" if card.features else ""),
        ("Data", data.hash or model.dataset_hash),
        ("Code", card.method.code_version or model.code_version),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in card.method.libraries.items())),
    ]
    return [(name, value) for name, value in lines if value]


def markdown(model: ModelVersion) -> str:
    """The whole card. Raises UnreadableCard."""
    card = read(model.card)
    lines = [f"# Model card: {model.name}", "", *_table(("What", ""), facts(model, card))]
    if card.metrics:
        names = columns(card.metrics.values())
        lines += ["", "## How well it does", "", card.measured_on or "", ""]
        lines += _table(
            ("Measured", *(METRICS.get(name, name) for name in names)),
            [
                (where, *(figure(figures.get(name)) for name in names))
                for where, figures in card.metrics.items()
            ],
        )
        lines += ["", "Figures with the interval in which 95 % of redrawn samples lie."]
    for attribute, groups in card.slices.items():
        kept = shown(groups)
        names = columns(kept.values())
        lines += ["", f"## By {attribute}", ""]
        lines += _table(
            ("Group", *(METRICS.get(name, name) for name in names)),
            [(group, *(figure(kept[group].get(name)) for name in names)) for group in kept],
        )
    lines += _fairness(fairness.load(card.fairness))
    if card.features:
        lines += ["", "## Features", ""]
        lines += _table(
            ("Feature", "Version", "Weight", "Not known"),
            [
                (
                    one.name or one.key,
                    str(one.version),
                    "–" if one.importance is None else f"{one.importance:.3f}",
                    "–" if one.unknown is None else f"{one.unknown:.0%}",
                )
                for one in sorted(card.features, key=lambda one: (-(one.importance or 0), one.key))
            ],
        )
    for title, sentences in (("Methods that were tried", card.tried), ("Limits", card.limits)):
        if sentences:
            lines += ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def _fairness(report: fairness.Report) -> list[str]:
    lines: list[str] = []
    for attribute in report.attributes:
        for cut in attribute.cuts:
            lines += ["", f"## {attribute.name}: {cut.says.lower()}", ""]
            lines += _table(
                ("Group", "People", *RATES.values()),
                [
                    (
                        group.name,
                        f"{group.people:,}",
                        *(
                            (figure(group.rates.get(rate), 2) for rate in RATES)
                            if group.judged
                            else ("too small to judge", *("" for _ in list(RATES)[1:]))
                        ),
                    )
                    for group in cut.groups
                ],
            )
            gap = cut.gaps.get("tpr")
            if gap is not None:
                lines += [
                    "",
                    f"Widest gap in who is found: {figure(gap.figure)}, between {gap.highest} and {gap.lowest}.",
                ]
            if cut.hidden:
                lines += ["", f"{cut.hidden} groups of fewer than {LEAST_SHOWN} people are not shown."]
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *(line(row) for row in rows)]
