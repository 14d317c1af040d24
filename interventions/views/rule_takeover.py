"""The rules we ship, ready as drafts: which of them to take over, who answers for them, and what became of each."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone

from interventions.models import Rule
from interventions.rules import takeover
from interventions.rules.takeover import Outcome, Ready, Taken
from learners.models import User
from signals.xapi.primitives import is_iri


class Line(NamedTuple):
    """One draft on the page."""

    ready: Ready
    take: forms.BoundField
    address: forms.BoundField | None
    found: list[str]  # what the last try found


class TakeOverForm(forms.Form):
    """Which of the drafts, and until when."""

    expires_on = forms.DateField(
        label="In force until",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="On that day they stop by themselves. You can write them anew before.",
    )
    read = forms.BooleanField(
        required=False, label="I have read what was found, and they shall be in force all the same."
    )

    def __init__(self, *args: Any, ready: Sequence[Ready], **kwargs: Any) -> None:
        self.ready = ready
        self.today = timezone.now().date()
        super().__init__(*args, **{"initial": {"expires_on": self.today + takeover.A_YEAR}, **kwargs})
        for one in ready:
            self.fields[f"take_{one.rule.pk}"] = forms.BooleanField(
                required=False, label=one.rule.title, initial=one.address != ""
            )
            if one.address is not None:
                self.fields[f"address_{one.rule.pk}"] = forms.CharField(
                    required=False,
                    initial=one.address,
                    max_length=500,
                    label="Address of your onboarding",
                    help_text="The activity's IRI, as your learning system sends it when somebody completes it.",
                )

    def lines(self, tried: Sequence[Taken] = ()) -> Iterator[Line]:
        found = {taken.rule.key: [one.message for one in taken.found] for taken in tried}
        for one in self.ready:
            address = f"address_{one.rule.pk}"
            yield Line(
                one,
                self[f"take_{one.rule.pk}"],
                self[address] if address in self.fields else None,
                found.get(one.rule.key, []),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        until = cleaned.get("expires_on")
        if until is not None and until <= self.today:
            self.add_error("expires_on", "Choose a day in the future.")
        for one in self.ready:
            name = f"address_{one.rule.pk}"
            if name not in self.fields or not cleaned.get(f"take_{one.rule.pk}"):
                continue
            address = (cleaned.get(name) or "").strip()
            if not is_iri(address):
                self.add_error(
                    name, "Write the whole address with its scheme, as in https://lms.example/onboarding."
                )
        if not self.errors and not self.chosen():
            self.add_error(None, "Choose at least one of them.")
        return cleaned

    def chosen(self) -> list[Rule]:
        """The drafts that are ticked."""
        return [one.rule for one in self.ready if self.cleaned_data.get(f"take_{one.rule.pk}")]

    def addresses(self) -> dict[int, str]:
        """Rule → the address of what should have been completed."""
        return {
            one.rule.pk: self.cleaned_data[f"address_{one.rule.pk}"].strip()
            for one in self.ready
            if f"address_{one.rule.pk}" in self.fields
        }


def taken_over(request: HttpRequest, form: TakeOverForm) -> list[Taken]:
    """What became of the drafts that were chosen, told to whoever chose them. Only after ``is_valid()``."""
    assert isinstance(request.user, User)  # the admin site lets nobody else in
    tried = takeover.take_over(
        form.chosen(),
        owner=request.user,
        expires_on=form.cleaned_data["expires_on"],
        addresses=form.addresses(),
        has_read=form.cleaned_data["read"],
        now=timezone.now(),
    )
    for outcome, level, said in (
        (Outcome.LIVE, messages.SUCCESS, "In force from now on"),
        (Outcome.BOARD, messages.WARNING, "Yours, and waiting for the review board’s yes"),
        (Outcome.UNREAD, messages.WARNING, "Not yet in force: read what was found"),
        (Outcome.BLOCKED, messages.ERROR, "Not in force: something must be mended first"),
    ):
        titles = [f"“{taken.rule.title}”" for taken in tried if taken.outcome is outcome]
        if titles:
            messages.add_message(request, level, f"{said}: {', '.join(titles)}.")
    return tried
