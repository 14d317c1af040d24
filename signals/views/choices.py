"""Choices that a form knows only when it is made: from a registry that fills up, or from the database."""

from django import forms


def offer(form: forms.BaseForm, name: str, choices: list[tuple[str, str]]) -> None:
    """Lets this field of the form be one of these (value, label)."""
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices
