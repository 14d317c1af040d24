"""The admin's forms for people and units: encrypted fields, their look-up hashes kept in step, faults in words."""

from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password

from learners.identity import canonical, employee_hash, identifier_hash, resolve
from learners.models import Identifier, Learner, OrgUnit, Role, User
from learners.models.people import login_hash
from learners.workdays import UnknownCalendar, check_calendar
from learners.zones import known_zones


def _zones() -> list[tuple[str, str]]:
    return [("", "—"), *((zone, zone) for zone in sorted(known_zones()))]


class PersonForm(forms.ModelForm):
    """Choices in place of free text for zone and language."""

    time_zone = forms.ChoiceField(choices=_zones, required=False)
    language = forms.ChoiceField(choices=settings.LANGUAGES)


class UserForm(PersonForm):
    login = forms.CharField(label="Sign-in name", max_length=254)
    roles = forms.MultipleChoiceField(
        choices=Role.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    new_password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Leave empty to keep the password. A new user without one cannot sign in until invited.",
    )

    class Meta:
        model = User
        fields = ("login", "new_password", "name", "roles", "learner", "time_zone", "language", "is_active")

    def clean_login(self) -> str:
        login: str = self.cleaned_data["login"].strip()
        if User.objects.filter(login_hash=login_hash(login)).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Somebody signs in by this name already.")
        return login

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        if password:
            validate_password(password, self.instance)
        return password

    def save(self, commit: bool = True) -> Any:
        user: User = self.instance
        user.login_hash = login_hash(self.cleaned_data["login"])
        if self.cleaned_data["new_password"]:
            user.set_password(self.cleaned_data["new_password"])
        elif user._state.adding:
            user.set_unusable_password()
        return super().save(commit)


class LearnerForm(PersonForm):
    email = forms.EmailField(required=False, label="E-mail address")
    employee_number = forms.CharField(required=False, max_length=64)

    class Meta:
        model = Learner
        fields = (
            "employee_number",
            "name",
            "email",
            "unit",
            "job_role",
            "role_since",
            "time_zone",
            "language",
            "started_on",
            "left_on",
            "leave_from",
            "leave_until",
        )

    def clean_employee_number(self) -> str:
        number: str = self.cleaned_data["employee_number"].strip()
        hashed = employee_hash(number)
        if number and Learner.objects.filter(employee_hash=hashed).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Somebody else has this employee number.")
        return number

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email:
            _refuse_if_taken("mbox", email, self.instance.pk)
        return email

    def save(self, commit: bool = True) -> Any:
        number = self.cleaned_data["employee_number"]
        self.instance.employee_hash = employee_hash(number) if number else None
        return super().save(commit)


class IdentifierForm(forms.ModelForm):
    """An identifier in the learner's page; its look-up hash follows its value."""

    value = forms.CharField(
        help_text="An account is written homePage|name, a sign-on subject issuer|subject."
    )

    class Meta:
        model = Identifier
        fields = ("kind", "value", "valid_from", "valid_to")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        kind, value = cleaned.get("kind"), cleaned.get("value")
        if kind and value:
            if kind in (Identifier.Kind.ACCOUNT, Identifier.Kind.SSO) and not all(value.partition("|")):
                what = "an account as homePage" if kind == Identifier.Kind.ACCOUNT else "a subject as issuer"
                raise forms.ValidationError(f"Write {what}|name.")
            self.instance.hash = identifier_hash(canonical(kind, value))
            self._refuse_overlap(cleaned.get("valid_from"), cleaned.get("valid_to"))
        return cleaned

    def _refuse_overlap(self, begins: date | None, ends: date | None) -> None:
        """An identifier names one learner at a time; the database would say so less kindly."""
        others = Identifier.objects.filter(hash=self.instance.hash).exclude(pk=self.instance.pk)
        for other in others.exclude(learner=self.instance.learner_id):
            if _overlap((begins, ends), (other.valid_from, other.valid_to)):
                until = f" until {other.valid_to}" if other.valid_to else ""
                raise forms.ValidationError(
                    f"This already names {Learner(pk=other.learner_id).pseudonym} ({other.learner_id}){until}."
                )


def _overlap(one: tuple[date | None, date | None], other: tuple[date | None, date | None]) -> bool:
    """Whether two spans of days share one; each ends before its second date, None is without end."""
    (begins, ends), (starts, stops) = ((span[0] or date.min, span[1] or date.max) for span in (one, other))
    return begins < ends and starts < stops and begins < stops and starts < ends


class IdentifierFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        kept: dict[bytes, list[tuple[date | None, date | None]]] = {}
        for form in self.forms:
            if form in self.deleted_forms or not form.cleaned_data or form.instance.hash is None:
                continue
            span = (form.cleaned_data.get("valid_from"), form.cleaned_data.get("valid_to"))
            spans = kept.setdefault(bytes(form.instance.hash), [])
            if any(_overlap(span, other) for other in spans):
                raise forms.ValidationError("One identifier is there twice.")
            spans.append(span)


def _refuse_if_taken(kind: str, value: str, learner_id: UUID) -> None:
    holders = resolve([identifier_hash(canonical(kind, value))]).values()
    for holder in holders:
        if holder != learner_id:
            raise forms.ValidationError(f"This already names {Learner(pk=holder).pseudonym} ({holder}).")


class OrgUnitForm(forms.ModelForm):
    time_zone = forms.ChoiceField(choices=_zones, required=False)

    class Meta:
        model = OrgUnit
        fields = ("code", "name", "parent", "time_zone", "holidays", "manager", "coach")

    def clean_holidays(self) -> str:
        calendar: str = self.cleaned_data["holidays"].strip().upper()
        try:
            check_calendar(calendar)
        except UnknownCalendar as unknown:
            raise forms.ValidationError(str(unknown)) from unknown
        return calendar

    def clean_parent(self) -> OrgUnit | None:
        parent: OrgUnit | None = self.cleaned_data["parent"]
        here = OrgUnit.objects.filter(pk=self.instance.pk).descendants(include_self=True)
        if parent is not None and self.instance.pk and here.filter(pk=parent.pk).exists():
            raise forms.ValidationError("A unit cannot lie below itself.")
        return parent
