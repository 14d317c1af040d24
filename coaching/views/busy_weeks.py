"""Business-critical weeks: declared or read from a calendar file by whoever answers for the unit."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from coaching.busy_weeks import to_come, units_of
from coaching.views.pages import for_role, is_part, person, show
from interventions import busy_calendar, busy_periods
from interventions.models import BusyPeriod
from learners.models import OrgUnit, Role, User
from learners.zones import organisation_zone

Source = BusyPeriod.Source


class UnitField(forms.ModelChoiceField):
    def label_from_instance(self, unit: Any) -> str:
        return str(unit.path)


class UnitForm(forms.Form):
    """Whatever is about one of the user's units."""

    unit = UnitField(OrgUnit.objects.none(), empty_label=None, help_text="All units below it are meant too.")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit = self.fields["unit"]
        assert isinstance(unit, UnitField)
        unit.queryset = units_of(user)


class DeclareForm(UnitForm):
    name = forms.CharField(label="What it is called", max_length=120, help_text="Such as: Quarter close")
    first = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = now.astimezone(organisation_zone()).date()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        first, last = cleaned["first"], cleaned["last"]
        try:
            busy_periods.check(first, last)
        except busy_periods.NotAPeriod as fault:
            self.add_error("last", str(fault))
        else:
            if last < self.today:
                self.add_error("last", "Choose a day from today on.")
        return cleaned


class CalendarForm(UnitForm):
    file = forms.FileField(label="Calendar file (.ics)", required=False)
    text = forms.CharField(
        label="or its text", required=False, strip=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not cleaned.get("file") and not cleaned.get("text", "").strip() and not self.errors:
            raise forms.ValidationError("Choose a calendar file, or paste its text.")
        return cleaned

    def content(self) -> bytes:
        file = self.cleaned_data.get("file")
        if file:
            content: bytes = file.read(busy_calendar.LARGEST_FILE + 1)
            return content
        return str(self.cleaned_data["text"]).encode()


@for_role(Role.MANAGER, Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def busy_weeks(request: HttpRequest) -> HttpResponse:
    """The weeks to come, and the forms to add and take back."""
    user, now = person(request), timezone.now()
    do = request.POST.get("do", "") if request.method == "POST" else ""
    declare = DeclareForm(request.POST if do == "declare" else None, user=user, now=now, auto_id="declare-%s")
    calendar = CalendarForm(
        request.POST if do == "calendar" else None,
        request.FILES if do == "calendar" else None,
        user=user,
        auto_id="calendar-%s",
    )
    match do:
        case "":
            if request.method == "POST":
                return HttpResponse(status=400)
        case "declare":
            if declare.is_valid():
                return _done(request, _declare(declare, user, now), user, now)
        case "calendar":
            if calendar.is_valid() and (said := _read(calendar, user, now)):
                return _done(request, said, user, now)
        case "take_back":
            return _done(request, _take_back(request, user, now), user, now)
        case _:
            return HttpResponse(status=400)
    context = _context(user, now, declare, calendar)
    if do:
        return show(request, "busy_weeks.html", context, part="main", status=422, focus=f"{do}-fault")
    return show(request, "busy_weeks.html", context, part="main")


def _declare(form: DeclareForm, user: User, now: datetime) -> str:
    sent = form.cleaned_data
    period = busy_periods.declare(
        unit=sent["unit"],
        name=sent["name"],
        first=sent["first"],
        last=sent["last"],
        source=_source(user, sent["unit"]),
        by=user.pk,
        now=now,
    )
    return f"Declared: {period.name}, {period.first_date:%-d %B} to {period.last_date:%-d %B %Y}."


def _source(user: User, unit: OrgUnit) -> str:
    """In which capacity somebody who may be both speaks here."""
    return Source.ADMIN if user.has_role(Role.ADMIN) and unit.manager_id != user.pk else Source.MANAGER


def _read(form: CalendarForm, user: User, now: datetime) -> str:
    """What the file changed; nothing, with the fault in the form, where it cannot be used."""
    zone = organisation_zone()
    since = now.astimezone(zone).date()
    try:
        events = busy_calendar.read(form.content(), since=since, zone=zone)
    except busy_calendar.CalendarFault as fault:
        form.add_error("file" if form.cleaned_data.get("file") else "text", str(fault))
        return ""
    read = busy_periods.read_calendar(
        unit=form.cleaned_data["unit"], events=events, since=since, by=user.pk, now=now
    )
    return (
        f"Read the calendar: {len(read.added)} added, {read.removed} removed, {read.unchanged} as they were."
    )


def _take_back(request: HttpRequest, user: User, now: datetime) -> str:
    number = request.POST.get("period", "")
    period = get_object_or_404(
        BusyPeriod.objects.select_related("unit").filter(unit__in=units_of(user).values("pk")),
        pk=int(number) if number.isascii() and number.isdigit() and len(number) < 18 else 0,
    )
    busy_periods.take_back(period, by=user.pk, now=now)
    return f"Taken back: {period.name}. What waited is looked at again now."


def _done(request: HttpRequest, said: str, user: User, now: datetime) -> HttpResponse:
    if not is_part(request):
        messages.info(request, said)
        return redirect("busy_weeks")
    fresh = _context(
        user,
        now,
        DeclareForm(user=user, now=now, auto_id="declare-%s"),
        CalendarForm(user=user, auto_id="calendar-%s"),
    )
    return show(request, "busy_weeks.html", fresh, part="main", say=said, focus="weeks")


def _context(user: User, now: datetime, declare: DeclareForm, calendar: CalendarForm) -> dict[str, Any]:
    return {
        "weeks": to_come(user, now=now),
        "has_units": units_of(user).exists(),
        "declare_form": declare,
        "calendar_form": calendar,
    }
