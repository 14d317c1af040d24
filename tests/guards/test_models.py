"""Relations obey the order of the apps; every field is declared personal or not; migrations are complete."""

import inspect
from datetime import datetime
from types import ModuleType
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db.models import CompositePrimaryKey, Field, Model

from consent.registry import privacy_modules
from tests.guards.project import APPS, project_models

MODELS = project_models()


def name_of(model: type[Model]) -> str:
    return model._meta.label


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_it_relates_to_its_own_app_or_one_below(model: type[Model]) -> None:
    allowed = APPS[APPS.index(model._meta.app_label) :]

    related = {
        field.name: field.related_model._meta.app_label
        for field in model._meta.get_fields()
        if isinstance(field, Field) and isinstance(field.related_model, type)
    }

    upward = {name: label for name, label in related.items() if label in APPS and label not in allowed}
    assert not upward, f"{name_of(model)} points upwards: {upward}"


def modules_by_app() -> dict[str, ModuleType]:
    return dict(privacy_modules())


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_it_declares_every_field_personal_or_not(model: type[Model]) -> None:
    declared = modules_by_app()[model._meta.app_label].FIELDS.get(model.__name__)
    assert declared is not None, (
        f"{name_of(model)} is missing in FIELDS of {model._meta.app_label}/privacy.py"
    )

    named = [*declared.personal, *declared.other]

    # A key of several columns is listed among the fields, and has no column of its own.
    fields = sorted(
        field.name for field in model._meta.concrete_fields if not isinstance(field, CompositePrimaryKey)
    )
    # Relations to many need not be named: the rows between carry no fields of their own.
    many = {field.name for field in model._meta.local_many_to_many}
    assert sorted(name for name in named if name not in many) == fields


def test_it_declares_no_model_that_is_gone() -> None:
    known = {(model._meta.app_label, model.__name__) for model in MODELS}

    declared = {(label, name) for label, module in privacy_modules() for name in module.FIELDS}

    assert not declared - known


@pytest.mark.parametrize("label", sorted({model._meta.app_label for model in MODELS}))
def test_it_can_export_erase_and_withdraw(label: str) -> None:
    module = modules_by_app().get(label)
    assert module is not None, f"{label} has models but no privacy.py"

    for function, parameters in (
        ("export", ["subject"]),
        ("erase", ["subject", "now"]),
        ("withdraw", ["subject", "scope", "now"]),
    ):
        signature = inspect.signature(getattr(module, function))
        assert list(signature.parameters) == parameters, f"{label}.privacy.{function}{signature}"


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted({model._meta.app_label for model in MODELS}))
def test_it_answers_about_somebody_it_does_not_know(label: str) -> None:
    nobody = UUID("00000000-0000-4000-8000-000000000000")
    now = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
    module = modules_by_app()[label]

    exported = module.export(nobody)
    erased = module.erase(nobody, now=now)

    assert isinstance(exported, dict)
    assert not any(erased.values()), f"{label} erased rows of somebody who does not exist: {erased}"


@pytest.mark.django_db
def test_it_has_a_migration_for_every_change_of_a_model() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
