"""A learned model at work: features in, a calibrated probability and signed contributions that add up out.

An artefact is compressed JSON: numbers, names and versions, never code. It says which features it reads, of which
version, and holds one or more parts (``signals.risk.parts``) that each give log-odds as a sum over features. Parts are
averaged in log-odds and then calibrated by the day since the start: ``slope(day) * log-odds + offset(day)``. All of
this is linear in the contributions, so what each feature adds stays exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import zstandard

from signals.risk.unknown import never_raising

if TYPE_CHECKING:
    import numpy as np

    from signals.risk.parts import Part

    Floats = np.ndarray[Any, np.dtype[np.float64]]

FORMAT = 2  # of the artefact; another one is refused, not guessed at
DAY = "day"  # the feature that says how far into the course it is
_LEVEL = 9
_LARGEST = 64 * 1024 * 1024  # a model of ours has some hundred kilobytes
_FURTHEST = 30.0  # log-odds beyond this are 0 or 1 in print; exp() would overflow


class UnusableModel(ValueError):
    """An artefact that this release cannot score with; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Scored:
    """n rows. In every row: base + the sum of its contributions = log(p / (1 - p))."""

    probability: "Floats"  # (n)
    base: "Floats"  # (n) log-odds before any feature speaks
    contributions: "Floats"  # (n, k) log-odds each feature adds; 0 where it is not used


class Learned(Protocol):
    """What every learned model can do."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The features it reads, in order."""

    def score(self, features: "Floats") -> Scored:
        """The risk of each row of (n, k) features, NaN where not known."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How log-odds become log-odds that come true as often as they say, by day; between days it is interpolated."""

    days: tuple[float, ...] = (0.0,)
    slope: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def at(self, day: "Floats") -> tuple["Floats", "Floats"]:
        """Slope and offset of each row; where the day is not known, those of the first."""
        import numpy as np

        known = np.where(np.isfinite(day), day, self.days[0])
        return np.interp(known, self.days, self.slope), np.interp(known, self.days, self.offset)


@dataclass(frozen=True, slots=True)
class Model:
    """Parts averaged in log-odds, calibrated by day."""

    kind: str
    keys: tuple[str, ...]
    versions: Mapping[str, int]
    parts: tuple["Part", ...]
    calibration: Calibration = Calibration()
    importance: Mapping[str, float] = field(default_factory=dict)  # mean |contribution| in training

    def raw(self, features: "Floats") -> tuple["Floats", "Floats"]:
        """Log-odds before calibration: the base and what each feature adds. An unknown one adds nothing to a risk."""
        import numpy as np

        if features.ndim != 2 or features.shape[1] != len(self.keys):
            raise UnusableModel(
                f"The model reads {len(self.keys)} features and was given {features.shape[-1]}."
            )
        # A value that is not finite is no value.
        rows = np.where(np.isfinite(features), features, np.nan)
        base, contributions = np.zeros(len(rows)), np.zeros(rows.shape)
        for part in self.parts:
            here, added = part.raw(rows)
            base += here / len(self.parts)
            contributions += added / len(self.parts)
        return base, never_raising(contributions, rows)

    def score(self, features: "Floats") -> Scored:
        import numpy as np

        base, contributions = self.raw(features)
        day = features[:, self.keys.index(DAY)] if DAY in self.keys else np.full(len(features), np.nan)
        slope, offset = self.calibration.at(day)
        base = slope * base + offset
        contributions = contributions * slope[:, None]
        odds = np.clip(base + contributions.sum(axis=1), -_FURTHEST, _FURTHEST)
        return Scored(1 / (1 + np.exp(-odds)), base, contributions)


def pack(model: Model) -> bytes:
    """The model as an artefact; the same model gives the same bytes."""
    stored = {
        "format": FORMAT,
        "kind": model.kind,
        "keys": list(model.keys),
        "versions": {key: model.versions[key] for key in model.keys},
        "calibration": {
            "days": list(model.calibration.days),
            "slope": list(model.calibration.slope),
            "offset": list(model.calibration.offset),
        },
        "importance": dict(model.importance),
        "parts": [part.stored() for part in model.parts],
    }
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.json.encode(stored, order="sorted"))


def load(artefact: bytes, *, feature_versions: Mapping[str, int]) -> Model:
    """The model in an artefact. Raises UnusableModel where its format or a feature's version is another."""
    stored = _unpacked(artefact)
    if stored.get("format") != FORMAT:
        raise UnusableModel(
            f"The model has format {stored.get('format')!r} and this release reads {FORMAT}. Train it again."
        )
    try:
        keys = tuple(str(key) for key in stored["keys"])
        versions = {str(key): int(version) for key, version in stored["versions"].items()}
        _check_features(keys, versions, feature_versions)
        return Model(
            kind=str(stored["kind"]),
            keys=keys,
            versions=versions,
            parts=_parts(stored["parts"], len(keys)),
            calibration=_calibration(stored.get("calibration") or {}),
            importance={str(key): float(value) for key, value in (stored.get("importance") or {}).items()},
        )
    except UnusableModel:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UnusableModel(f"The model is incomplete ({fault!r}). Train it again.") from fault


def _unpacked(artefact: bytes) -> dict[str, Any]:
    try:
        text = zstandard.ZstdDecompressor().decompressobj().decompress(artefact)
        if len(text) > _LARGEST:
            raise UnusableModel("The model is larger than any of ours. Train it again.")
        stored = msgspec.json.decode(text)
    except (zstandard.ZstdError, msgspec.DecodeError) as fault:
        raise UnusableModel(f"This is no model of ours ({fault}). Train it again.") from fault
    if not isinstance(stored, dict):
        raise UnusableModel("This is no model of ours. Train it again.")
    return stored


def _check_features(
    keys: Sequence[str], versions: Mapping[str, int], feature_versions: Mapping[str, int]
) -> None:
    gone = sorted(key for key in keys if key not in feature_versions)
    if gone:
        raise UnusableModel(f"The model reads {', '.join(gone)}, which no longer exist. Train it again.")
    other = sorted(key for key in keys if feature_versions[key] != versions[key])
    if other:
        told = ", ".join(f"{key} ({versions[key]}, now {feature_versions[key]})" for key in other)
        raise UnusableModel(f"Features have another version since the model learned: {told}. Train it again.")


def _parts(stored: Sequence[Mapping[str, Any]], width: int) -> tuple["Part", ...]:
    from signals.risk.parts import KINDS

    unknown = sorted({str(part["kind"]) for part in stored} - set(KINDS))
    if unknown or not stored:
        raise UnusableModel(f"The model has parts of unknown kinds ({', '.join(unknown)}). Train it again.")
    return tuple(KINDS[part["kind"]].read(part, width) for part in stored)


def _calibration(stored: Mapping[str, Any]) -> Calibration:
    if not stored:
        return Calibration()
    days, slope, offset = (
        tuple(float(value) for value in stored[name]) for name in ("days", "slope", "offset")
    )
    if not days or not len(days) == len(slope) == len(offset) or list(days) != sorted(days):
        raise UnusableModel("The model's calibration is incomplete. Train it again.")
    return Calibration(days, slope, offset)
