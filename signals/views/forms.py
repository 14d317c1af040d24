"""The forms of the record store's admin: credentials, trusted issuers, and mends of what waits in quarantine."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from django import forms
from django.conf import settings

from learners.identity import canonical, employee_hash, identifier_hash, resolve
from learners.models import Learner, OrgUnit
from signals.clock import LARGEST_OFFSET_S, Rule
from signals.models import Credential, IssuerTrust, Verb
from signals.quarantine import Mend
from signals.xapi import credentials


class UnitChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return str(obj.path)


class CredentialForm(forms.ModelForm):
    permissions = forms.MultipleChoiceField(
        choices=Credential.Permission.choices, widget=forms.CheckboxSelectMultiple
    )
    unit = UnitChoice(
        queryset=OrgUnit.objects.none(),
        required=False,
        empty_label="Everybody",
        help_text="Bound to a unit, it may report on and read about this unit's people and those below only. What it"
        " sends about others waits in quarantine.",
    )

    class Meta:
        model = Credential
        fields = (
            "name",
            "source",
            "permissions",
            "is_active",
            "unit",
            "authority",
            "requests_per_minute",
            "first_day",
            "clock",
            "clock_offset_s",
        )
        labels = {
            "is_active": "In use",
            "clock": "Date its events by",
            "clock_offset_s": "Shifted by (seconds)",
        }
        help_texts = {
            "source": "The system its statements come from; several credentials may belong to one. Empty: the name.",
            "authority": 'The agent who vouches for its statements, as in {"mbox": "mailto:lms@example.com"}. Empty: an'
            " account of this record store. It cannot be changed later, as statements are handed out under it.",
            "requests_per_minute": "Empty: the installation's limit.",
            "first_day": "A timestamp before this day is a clock gone wrong.",
            "clock": "By which moment its events are dated. Statements keep the timestamp they came with.",
            "clock_offset_s": "Seconds added where the clock is shifted: −3600 for one that is an hour ahead.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("clock", "clock_offset_s"):
            self.fields[name].required = False
        if "unit" in self.fields:
            self.fields["unit"].queryset = OrgUnit.objects.with_path()  # type: ignore[attr-defined]

    def clean_authority(self) -> Any:
        authority = self.cleaned_data["authority"]
        if authority in (None, ""):
            return None
        try:
            self.instance.authority_hash = credentials.authority_hash(authority)
        except credentials.NoAuthority as error:
            raise forms.ValidationError(str(error)) from error
        return authority

    def clean_clock(self) -> str:
        return self.cleaned_data["clock"] or Credential.Clock.SENT

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        shifted = cleaned.get("clock") == Credential.Clock.SHIFT
        if shifted and not cleaned.get("clock_offset_s"):
            self.add_error("clock_offset_s", "Say by how many seconds.")
        if not shifted:
            cleaned["clock_offset_s"] = 0
        elif abs(cleaned.get("clock_offset_s") or 0) > LARGEST_OFFSET_S:
            self.add_error("clock_offset_s", "That is more than a year.")
        return cleaned


class TrustForm(forms.ModelForm):
    class Meta:
        model = IssuerTrust
        fields = (
            "credential",
            "issuer",
            "client_id",
            "audience",
            "keys_url",
            "claim",
            "grants",
            "is_active",
        )
        help_texts = {
            "credential": "Whose source, authority and unit the client's statements get. A token never permits more"
            " than this credential does.",
            "issuer": "Exactly as in the tokens' iss.",
            "client_id": "As in the tokens' azp or client_id.",
            "audience": "What the tokens' aud must name.",
            "keys_url": "Where the issuer's signing keys are (JWKS). Empty: asked of the issuer, on its own host only.",
            "claim": "The claim that holds what the client was granted; usually scope.",
            "grants": 'What each granted value permits: {"lrs.write": ["write"]}. Empty: the scopes xAPI names.',
        }

    def clean_issuer(self) -> str:
        return _address(self.cleaned_data["issuer"])

    def clean_keys_url(self) -> str:
        return _address(self.cleaned_data["keys_url"]) if self.cleaned_data["keys_url"] else ""

    def clean_grants(self) -> dict[str, list[str]]:
        grants = self.cleaned_data["grants"] or {}
        known = set(Credential.Permission.values)
        if not isinstance(grants, dict) or not all(
            isinstance(allowed, list) and set(allowed) <= known for allowed in grants.values()
        ):
            raise forms.ValidationError(
                f"Give each value a list of permissions out of {', '.join(sorted(known))}."
            )
        return grants


def _address(address: str) -> str:
    scheme = urlsplit(address).scheme
    if scheme != "https" and (settings.IN_PRODUCTION or scheme != "http"):
        raise forms.ValidationError("Give an address that begins with https.")
    return address


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2, "cols": 80}), label="Why it is discarded"
    )


class MendForm(forms.Form):
    """What can be changed about several statements at once."""

    verb = forms.TypedChoiceField(
        choices=[("", "as it is"), *((verb.value, verb.label) for verb in Verb if verb != Verb.OTHER)],
        coerce=lambda value: Verb(int(value)),
        empty_value=None,
        required=False,
        label="Its verb means",
        help_text="Its IRI means this from now on, in every statement.",
    )
    clock = forms.ChoiceField(
        choices=[("", "as its source is set"), *Credential.Clock.choices],
        required=False,
        label="Date its event by",
        help_text="The statement keeps its timestamp; only the event is dated otherwise.",
    )
    offset_s = forms.IntegerField(
        required=False,
        label="Shifted by (seconds)",
        min_value=-LARGEST_OFFSET_S,
        max_value=LARGEST_OFFSET_S,
        help_text="−3600 where the sender's clock is an hour ahead.",
    )
    standing = forms.BooleanField(
        required=False, label="Date everything this source sends from now on the same way"
    )
    outsiders = forms.BooleanField(
        required=False, label="Take it in though the person is outside the unit the source is bound to"
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("clock") == Credential.Clock.SHIFT and not cleaned.get("offset_s"):
            self.add_error("offset_s", "Say by how many seconds.")
        return cleaned

    def mend(self) -> Mend:
        """What was asked for."""
        chosen = self.cleaned_data["clock"]
        rule = None
        if chosen:
            shifted = chosen == Credential.Clock.SHIFT
            rule = Rule(chosen, self.cleaned_data["offset_s"] if shifted else 0)
        return Mend(
            body=self.cleaned_data.get("mended"),
            verb=self.cleaned_data["verb"],
            learner=self.cleaned_data.get("learner"),
            rule=rule,
            is_standing=self.cleaned_data["standing"],
            accepts_outsiders=self.cleaned_data["outsiders"],
        )


class OneMendForm(MendForm):
    """What can be changed about one statement. ``text``: its body, for those who may read and correct it."""

    learner = forms.CharField(
        required=False,
        label="It is about",
        help_text="A learner's uuid, whole e-mail address or employee number. What names the actor names them from"
        " now on.",
    )
    mended = forms.CharField(
        required=False,
        strip=False,
        label="Corrected statement",
        widget=forms.Textarea(attrs={"rows": 20, "cols": 100, "spellcheck": "false"}),
        help_text="The original is kept.",
    )
    field_order = ("verb", "learner", "clock", "offset_s", "standing", "outsiders", "mended")

    def __init__(self, *args: Any, text: str | None, may_edit: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text = text
        if text is None or not may_edit:
            del self.fields["mended"]
        else:
            self.fields["mended"].initial = text

    def clean_learner(self) -> UUID | None:
        named = self.cleaned_data["learner"].strip()
        if not named:
            return None
        found = _learner_named(named)
        if found is None:
            raise forms.ValidationError("Nobody here is named so.")
        return found

    def clean_mended(self) -> bytes | None:
        text: str = self.cleaned_data["mended"]
        if not text.strip() or text.replace("\r\n", "\n") == (self.text or "").replace("\r\n", "\n"):
            return None
        try:
            msgspec.json.decode(text.encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise forms.ValidationError("This is not JSON: %(error)s", params={"error": error}) from error
        return text.encode()


def _learner_named(text: str) -> UUID | None:
    people = Learner.objects.filter(erased_at__isnull=True)
    try:
        return people.filter(pk=UUID(text)).values_list("pk", flat=True).first()
    except ValueError:
        pass
    if "@" in text:
        return next(iter(resolve([identifier_hash(canonical("mbox", text))]).values()), None)
    return people.filter(employee_hash=employee_hash(text)).values_list("pk", flat=True).first()
