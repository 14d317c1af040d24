"""What a learned model is made of: each part gives log-odds as a base and what every feature adds.

Arithmetic on numbers that were read from JSON. Trees are the one exception: their own library reads its own JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import xgboost

    from signals.array_types import Floats


class Part(Protocol):
    def raw(self, rows: "Floats") -> tuple["Floats", "Floats"]:
        """Log-odds: (n) base and (n, k) contributions of rows in which NaN is not known."""

    def stored(self) -> dict[str, Any]:
        """The part as JSON can keep it."""

    @classmethod
    def read(cls, stored: Mapping[str, Any], width: int) -> Self:
        """The part again. Raises KeyError, TypeError or ValueError where it is incomplete."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic model per anchor day; between two anchors their log-odds are interpolated.

    A value becomes sign(v)·log(1 + |v|) where ``logged``, is centred and scaled, and cut at ``cut`` spreads. What is
    not known counts as the centre: it adds nothing.
    """

    logged: "Floats"  # (k) 1 or 0
    centre: "Floats"  # (k)
    scale: "Floats"  # (k)
    cut: float
    days: "Floats"  # (a) anchors
    day_at: int  # which feature says the day; -1: none
    weights: "Floats"  # (a, k)
    base: "Floats"  # (a)

    def raw(self, rows: "Floats") -> tuple["Floats", "Floats"]:
        import numpy as np

        values = np.nan_to_num(self.prepared(rows), nan=0.0)
        base, contributions = np.zeros(len(rows)), np.zeros(rows.shape)
        shares = self._shares(rows)
        for anchor in range(len(self.days)):
            share = shares[:, anchor]
            base += share * self.base[anchor]
            contributions += share[:, None] * values * self.weights[anchor]
        return base, contributions

    def prepared(self, rows: "Floats") -> "Floats":
        """Values as the weights expect them; NaN stays."""
        import numpy as np

        logs = np.sign(rows) * np.log1p(np.abs(rows))
        values = (np.where(self.logged > 0, logs, rows) - self.centre) / self.scale
        return np.clip(values, -self.cut, self.cut)

    def _shares(self, rows: "Floats") -> "Floats":
        import numpy as np

        if len(self.days) == 1 or self.day_at < 0:
            return np.eye(len(self.days))[np.zeros(len(rows), dtype=int)]
        day = rows[:, self.day_at]
        day = np.where(np.isfinite(day), day, self.days[0])
        return np.stack([np.interp(day, self.days, hat) for hat in np.eye(len(self.days))], axis=1)

    def stored(self) -> dict[str, Any]:
        return {
            "kind": "linear",
            "cut": self.cut,
            "day_at": self.day_at,
            **{
                name: getattr(self, name).tolist()
                for name in ("logged", "centre", "scale", "days", "weights", "base")
            },
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any], width: int) -> Self:
        import numpy as np

        arrays = {
            name: np.asarray(stored[name], dtype=np.float64)
            for name in ("logged", "centre", "scale", "days", "weights", "base")
        }
        anchors = len(arrays["days"])
        shapes = {"days": (anchors,), "base": (anchors,), "weights": (anchors, width)}
        for name, array in arrays.items():
            if array.shape != shapes.get(name, (width,)) or not np.isfinite(array).all():
                raise ValueError(f"{name} has the wrong shape")
        return cls(cut=float(stored["cut"]), day_at=int(stored["day_at"]), **arrays)


@dataclass(frozen=True, slots=True)
class Trees:
    """Gradient-boosted trees; contributions are their exact Shapley values."""

    booster: "xgboost.Booster"

    def raw(self, rows: "Floats") -> tuple["Floats", "Floats"]:
        import numpy as np
        import xgboost

        if not len(rows):
            return np.zeros(0), np.zeros(rows.shape)
        told = self.booster.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True).astype(np.float64)
        return told[:, -1], told[:, :-1]

    def stored(self) -> dict[str, Any]:
        import msgspec

        return {"kind": "trees", "model": msgspec.json.decode(bytes(self.booster.save_raw("json")))}

    @classmethod
    def read(cls, stored: Mapping[str, Any], width: int) -> Self:
        import msgspec
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(msgspec.json.encode(stored["model"])))
        except xgboost.core.XGBoostError as fault:
            raise ValueError(str(fault).split("\n", 1)[0]) from fault
        if booster.num_features() != width:
            raise ValueError("its trees read other features")
        return cls(booster)


@dataclass(frozen=True, slots=True)
class Bins:
    """An additive model: each feature's value falls in a bin, and each bin adds its own log-odds."""

    base: float
    cuts: tuple["Floats", ...]  # per feature, rising
    scores: tuple["Floats", ...]  # per feature: not known, then one more than cuts

    def raw(self, rows: "Floats") -> tuple["Floats", "Floats"]:
        import numpy as np

        contributions = np.zeros(rows.shape)
        for place, (cuts, scores) in enumerate(zip(self.cuts, self.scores, strict=True)):
            values = rows[:, place]
            bins = np.where(np.isnan(values), 0, np.searchsorted(cuts, values, side="right") + 1)
            contributions[:, place] = scores[bins]
        return np.full(len(rows), self.base), contributions

    def stored(self) -> dict[str, Any]:
        return {
            "kind": "bins",
            "base": self.base,
            "cuts": [cuts.tolist() for cuts in self.cuts],
            "scores": [scores.tolist() for scores in self.scores],
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any], width: int) -> Self:
        import numpy as np

        cuts = tuple(np.asarray(one, dtype=np.float64) for one in stored["cuts"])
        scores = tuple(np.asarray(one, dtype=np.float64) for one in stored["scores"])
        if len(cuts) != width or len(scores) != width:
            raise ValueError("its bins are of other features")
        if any(len(score) != len(cut) + 2 for cut, score in zip(cuts, scores, strict=True)):
            raise ValueError("its bins are incomplete")
        return cls(float(stored["base"]), cuts, scores)


KINDS: dict[str, type[Linear] | type[Trees] | type[Bins]] = {"linear": Linear, "trees": Trees, "bins": Bins}
