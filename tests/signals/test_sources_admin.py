"""The admin of other sources: a preview before an import, secrets that are not shown, and where a fact came from."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from consent.models import AuditEntry
from learners.models import Role, User
from signals.models import ContractBreach, DataContract, Event, Feed, ImportRun, Lineage, Statement
from tests.support.learners import make_user
from tests.support.sources import NOW, bring, known

pytestmark = pytest.mark.django_db

UPLOAD = "/admin/signals/importrun/upload/"
FILE = b"person,credential,issued\nanna@example.com,First aid,2025-05-01\n"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.com", "a long pass phrase"))
    return client


def upload(client: Client, **more: Any) -> Any:
    file = SimpleUploadedFile("certificates.csv", FILE)
    return client.post(UPLOAD, {"source": "certificates", "file": file, "preview": "1", **more})


def test_it_previews_a_file_before_it_imports_it(admin: Client) -> None:
    known()

    page = upload(admin)

    assert b"1 rows: 1 new." in page.content
    assert b"<strong>certificates.csv</strong> is kept" in page.content
    assert not Statement.objects.exists()
    ticket = page.context["form"].initial["ticket"]

    answer: Any = admin.post(UPLOAD, {"source": "certificates", "ticket": ticket, "import": "1"})

    run = ImportRun.objects.get()
    assert answer.url == reverse("admin:signals_importrun_change", args=[run.pk])
    assert Event.objects.count() == 1
    assert run.file_name == "certificates.csv"
    assert AuditEntry.objects.get(action="source.imported").detail == {"run": run.pk}


def test_it_gives_nobody_else_the_file_that_waits(admin: Client) -> None:
    ticket = upload(admin).context["form"].initial["ticket"]
    other = Client()
    other.force_login(User.objects.create_superuser("other@example.com", "a long pass phrase"))

    answer = other.post(UPLOAD, {"source": "certificates", "ticket": ticket, "import": "1"})

    assert answer.status_code == 422
    assert not ImportRun.objects.exists()


def test_it_says_what_is_wrong_with_a_file(admin: Client) -> None:
    file = SimpleUploadedFile("x.csv", b"a,b\n")

    page = admin.post(UPLOAD, {"source": "certificates", "file": file, "preview": "1"})

    assert page.status_code == 422
    assert b"lacks the columns person, credential, issued" in page.content


@pytest.mark.parametrize("role", [Role.COACH, Role.MANAGER, Role.LEARNER])
def test_it_lets_nobody_but_admins_import(client: Client, role: Role) -> None:
    client.force_login(make_user(role))

    assert upload(client).status_code == 302
    assert not ImportRun.objects.exists()


def test_it_never_shows_a_secret_again(admin: Client) -> None:
    values = {"source": "git_forge", "name": "forge", "base_url": "", "settings": "{}", "is_active": "on"}
    admin.post("/admin/signals/feed/add/", {**values, "secret": "a secret of some length"})
    feed = Feed.objects.get()

    page = admin.get(reverse("admin:signals_feed_change", args=[feed.pk]))
    admin.post(
        reverse("admin:signals_feed_change", args=[feed.pk]), {**values, "secret": "", "name": "forge-2"}
    )

    feed.refresh_from_db()
    assert b"a secret" not in page.content
    assert b"/sources/hooks/forge" in page.content
    assert (feed.name, feed.secret) == ("forge-2", "a secret of some length")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"source": "moodle", "base_url": "http://moodle.example.com"}, b"must begin with https"),
        (
            {"source": "moodle", "base_url": "https://m.example.com", "settings": '{"courses": "7"}'},
            b"list of numbers",
        ),
        (
            {"source": "moodle", "base_url": "https://m.example.com", "settings": '{"every_hours": null}'},
            b"number of hours",
        ),
        ({"source": "git_forge", "secret": "short"}, b"16 characters or more"),
        ({"source": "open_badges", "settings": '{"pem": "no key"}'}, b"keys cannot be read"),
        ({"source": "open_badges", "settings": "[1]"}, b"Write an object"),
    ],
)
def test_it_refuses_a_feed_that_could_not_work(admin: Client, values: dict[str, str], fault: bytes) -> None:
    form = {"name": "x", "base_url": "", "settings": "{}", "secret": "", **values}

    assert fault in admin.post("/admin/signals/feed/add/", form).content
    assert not Feed.objects.exists()


def test_it_finds_the_row_that_a_statement_came_from(admin: Client) -> None:
    known()
    bring("certificates", FILE)
    statement_id = Event.objects.get().statement_id

    page = admin.get("/admin/signals/lineage/", {"q": str(statement_id)})
    nothing = admin.get("/admin/signals/lineage/", {"q": "not an id"})

    assert page.context["cl"].result_count == 1
    assert nothing.context["cl"].result_count == 0
    assert (
        admin.get(reverse("admin:signals_lineage_change", args=[Lineage.objects.get().pk])).status_code == 200
    )


def test_it_shows_each_page(admin: Client) -> None:
    known()
    bring("certificates", FILE)
    contract = DataContract.objects.create(name="C", source="certificates", owner="HR", starts_at=NOW)
    breach = ContractBreach.objects.create(
        contract=contract, kind="too_few", sentence="C: few.", opened_at=NOW
    )

    for address in (
        UPLOAD,
        "/admin/signals/importrun/",
        f"/admin/signals/importrun/{ImportRun.objects.get().pk}/change/",
        "/admin/signals/lineage/",
        "/admin/signals/datacontract/",
        f"/admin/signals/datacontract/{contract.pk}/change/",
        "/admin/signals/contractbreach/?state=open",
        f"/admin/signals/contractbreach/{breach.pk}/change/",
        "/admin/signals/feed/add/",
    ):
        assert admin.get(address).status_code == 200, address


def test_it_wants_a_contract_to_be_about_one_thing(admin: Client) -> None:
    form = {
        "name": "C",
        "owner": "HR",
        "source": "",
        "most_refused": "0.05",
        "period_days": "7",
        "starts_at_0": "2026-03-01",
        "starts_at_1": "00:00",
    }

    page = admin.post("/admin/signals/datacontract/add/", form)
    admin.post("/admin/signals/datacontract/add/", {**form, "source": "certificates"})

    assert b"either a source or a credential" in page.content
    assert DataContract.objects.get().source == "certificates"
