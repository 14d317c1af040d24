"""The composite's weights, edited where the policy is: changing one makes another version of the model."""

from typing import Any

from django import forms

from interventions.policy.document import Document, with_changes
from interventions.policy.weights import Weights
from signals.models import ModelVersion
from signals.risk import weights as composites
from signals.risk.composite import NAMES, Parameters

LABELS = {
    "mastery": "Mastery that is missing",
    "days_inactive": "Days without activity",
    "fail_rate": "Results below the pass mark",
}


class WeightsForm(forms.Form):
    """Three weights that add up to 1, and two numbers. Begins with what the policy trusts."""

    horizon_days = forms.FloatField(
        label="Inactivity counts in full after days", help_text="One day counts for its share of it."
    )
    min_coverage = forms.FloatField(
        label="Says “not sure” below a known share of", help_text="The policy may ask for more."
    )

    def __init__(self, *args: Any, start: Weights, **kwargs: Any) -> None:
        parameters = start.parameters
        initial = {
            **parameters.weights,
            "horizon_days": parameters.horizon_days,
            "min_coverage": parameters.min_coverage,
        }
        super().__init__(*args, **{"initial": initial, "prefix": "weights", **kwargs})
        self.start = start
        for key in NAMES:
            self.fields[key] = forms.FloatField(label=f"Weight: {LABELS[key]}")
        self.order_fields([*NAMES, "horizon_days", "min_coverage"])
        for field in self.fields.values():
            field.widget = forms.NumberInput(attrs={"step": "any", "class": "vIntegerField"})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            for fault in composites.faults(self.parameters()):
                self.add_error(fault.field or None, fault.message)
        return cleaned

    def parameters(self) -> Parameters:
        """The numbers as filled in. Only without errors in the fields."""
        return composites.made_of(
            {key: self.cleaned_data[key] for key in NAMES},
            horizon_days=self.cleaned_data["horizon_days"],
            min_coverage=self.cleaned_data["min_coverage"],
        )


def with_weights(document: Document, version: ModelVersion) -> Document:
    """The policy, trusting the composite that holds these weights."""
    return with_changes(document, {"model": version.name})
