"""Files that come with statements, signed statements, and the way they are framed."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.db import IntegrityError, connection, transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from signals import privacy
from signals.models import Attachment, AttachmentUse, Statement
from signals.xapi import credentials, multipart
from signals.xapi.multipart import File
from signals.xapi.wire import BadRequest
from tests.support.signals import NOW, headers_of, make_credential, make_learner, statement

URL = "/xapi/statements"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    credentials.forget()


@pytest.fixture
def made(db: None) -> credentials.NewCredential:
    return make_credential()


def described(content: bytes, **more: Any) -> dict[str, Any]:
    return {
        "usageType": "https://example.com/proof",
        "display": {"en": "Proof"},
        "contentType": "text/plain",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
        **more,
    }


def file_of(content: bytes, sha2: str | None = None) -> File:
    return File(sha2 or hashlib.sha256(content).hexdigest(), "text/plain", content)


def post(client: Client, made: credentials.NewCredential, sent: Any, *files: File, **headers: str) -> Any:
    body = multipart.join(json.dumps(sent).encode(), files, "edge")
    kind = headers.pop("content_type", 'multipart/mixed; boundary="edge"')
    return client.post(URL, body, content_type=kind, headers=headers_of(made, **headers))


def read_back(client: Client, made: credentials.NewCredential, key: str) -> list[multipart.Part]:
    answer = client.get(URL, {"statementId": key, "attachments": "true"}, headers=headers_of(made))
    assert answer.status_code == 200
    return multipart.split(answer.content, answer["Content-Type"])


# --- framing ------------------------------------------------------------------------------------------------------


@given(contents=st.lists(st.binary(max_size=200), max_size=4), statements=st.binary(max_size=50))
def test_it_brings_every_byte_through(contents: list[bytes], statements: bytes) -> None:
    files = [file_of(content) for content in contents]
    body = multipart.join(statements, files, "an edge that is in none of them")

    parts = multipart.split(body, 'multipart/mixed; boundary="an edge that is in none of them"')

    assert [part.content for part in parts] == [statements, *contents]


@pytest.mark.parametrize(
    "nested",
    [
        b"--inner\r\nA: b\r\n\r\nx\r\n--inner--\r\n",
        b"From: a\r\nContent-Type: multipart/mixed\r\n\r\n",
        b"\r\n--edg\r\n",
    ],
)
def test_it_looks_for_no_structure_within_a_file(nested: bytes) -> None:
    body = multipart.join(b"{}", [File("0", "message/rfc822", nested)], "edge")

    assert multipart.split(body, "multipart/mixed; boundary=edge")[1].content == nested


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--edge\r\n\r\n{}\r\n--edge--", "multipart/mixed"),
        (b"{}", "multipart/mixed; boundary=edge"),
        (b"--edge\r\n\r\n{}\r\n", "multipart/mixed; boundary=edge"),
        (b"--edgewise\r\n\r\n{}\r\n--edge--", "multipart/mixed; boundary=edge"),
    ],
    ids=["no boundary named", "no boundary there", "never closed", "a longer boundary"],
)
def test_it_refuses_a_body_that_is_framed_wrongly(body: bytes, kind: str) -> None:
    with pytest.raises(BadRequest) as error:
        multipart.split(body, kind)

    assert error.value.status == 400
    assert error.value.mend


# --- files --------------------------------------------------------------------------------------------------------


def test_it_keeps_a_file_and_gives_it_back(client: Client, made: credentials.NewCredential) -> None:
    content = bytes(range(256)) + b"\r\n--edge"[:5]
    sent = statement(attachments=[described(content)])

    assert post(client, made, [sent], file_of(content)).json() == [sent["id"]]
    parts = read_back(client, made, sent["id"])

    assert json.loads(parts[0].content)["id"] == sent["id"]
    assert parts[1].content == content
    assert parts[1].headers["X-Experience-API-Hash"] == described(content)["sha2"]
    plain = client.get(URL, {"statementId": sent["id"]}, headers=headers_of(made))
    assert plain["Content-Type"] == "application/json"


def test_it_keeps_a_file_once_however_often_it_comes(client: Client, made: credentials.NewCredential) -> None:
    first, second = (statement(attachments=[described(b"proof")]) for _ in range(2))

    post(client, made, [first, second], file_of(b"proof"))
    post(client, made, [first, second], file_of(b"proof"))

    assert Attachment.objects.count() == 1
    assert AttachmentUse.objects.count() == 2
    parts = multipart.split(
        (answer := client.get(URL, {"attachments": "true"}, headers=headers_of(made))).content,
        answer["Content-Type"],
    )
    assert len(parts) == 2


def test_it_gives_a_file_to_nobody_who_only_knows_its_sum(
    client: Client, made: credentials.NewCredential
) -> None:
    post(client, made, statement(attachments=[described(b"secret")]), file_of(b"secret"))
    thief = statement(attachments=[described(b"secret", fileUrl="https://example.com/mine")])
    client.post(URL, json.dumps(thief), content_type="application/json", headers=headers_of(made))

    assert len(read_back(client, made, thief["id"])) == 1


def test_it_takes_the_file_of_a_sub_statement(client: Client, made: credentials.NewCredential) -> None:
    inner = {name: value for name, value in statement(attachments=[described(b"x")]).items() if name != "id"}
    sent = statement(object={"objectType": "SubStatement", **inner}, course=None)

    assert post(client, made, sent, file_of(b"x")).status_code == 200
    assert read_back(client, made, sent["id"])[1].content == b"x"


@pytest.mark.parametrize(
    ("attachments", "files", "named"),
    [
        ([described(b"a")], [], "$.attachments[0]"),
        ([described(b"a")], [file_of(b"a"), file_of(b"b")], "$.attachments"),
        ([described(b"a")], [file_of(b"b", described(b"a")["sha2"])], "part 1"),
        ([described(b"a")], [File("", "text/plain", b"a")], "part 1"),
        ([], [file_of(b"a")], "$.attachments"),
    ],
    ids=[
        "its file is missing",
        "a file too many",
        "another file than its sum says",
        "no sum",
        "nobody names it",
    ],
)
def test_it_refuses_files_that_do_not_fit_and_stores_nothing(
    client: Client,
    made: credentials.NewCredential,
    attachments: list[dict[str, Any]],
    files: list[File],
    named: str,
) -> None:
    answer = post(client, made, statement(attachments=attachments), *files)

    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == named
    assert not Statement.objects.exists()
    assert not Attachment.objects.exists()


def test_it_keeps_no_clear_text_of_a_file(client: Client, made: credentials.NewCredential) -> None:
    post(client, made, statement(attachments=[described(b"maria passed")]), file_of(b"maria passed"))

    with connection.cursor() as cursor:
        cursor.execute("SELECT encode(content, 'escape'), encode(key, 'hex') FROM signals_attachment")
        content, key = cursor.fetchone()

    assert "maria" not in content
    assert key != described(b"maria passed")["sha2"][:32]


def test_it_hands_out_and_erases_a_persons_files(client: Client, made: credentials.NewCredential) -> None:
    learner = make_learner("person-0001")
    other = {"account": {"homePage": "https://lms.example.com", "name": "person-0002"}}
    both, own = described(b"both"), described(b"own")
    post(client, made, statement(attachments=[both, own]), file_of(b"both"), file_of(b"own"))
    post(client, made, statement(attachments=[both], actor=other), file_of(b"both"))

    told = privacy.export(learner.pk)["files"]
    privacy.erase(learner.pk, now=NOW)

    assert sorted(base64.b64decode(row["base64"]) for row in told) == [b"both", b"own"]
    assert [row.length for row in Attachment.objects.all()] == [len(b"both")]


def test_it_uses_a_file_once_per_statement(client: Client, made: credentials.NewCredential) -> None:
    post(client, made, statement(attachments=[described(b"a")]), file_of(b"a"))
    use = AttachmentUse.objects.get()

    with pytest.raises(IntegrityError, match="a_statement_uses_a_file_once"), transaction.atomic():
        AttachmentUse.objects.create(attachment_id=use.attachment_id, statement_id=use.statement_id)


# --- signatures ---------------------------------------------------------------------------------------------------


def certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Academy")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def signed(sent: dict[str, Any], *, over: Any = None, algorithm: str = "RS256", **headers: Any) -> File:
    payload = json.dumps(sent if over is None else over).encode()
    key: Any = KEY if algorithm.startswith("RS") else "k" * 32
    token = jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers=headers or None)
    return file_of(token.encode())


def with_signature(sent: dict[str, Any], file: File, **more: Any) -> dict[str, Any]:
    entry = described(file.content, usageType=SIGNATURE, contentType="application/octet-stream", **more)
    return {**sent, "attachments": [*sent.get("attachments", []), entry]}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
@pytest.mark.parametrize("with_certificate", [True, False])
def test_it_takes_a_statement_signed_as_the_standard_says(
    client: Client, made: credentials.NewCredential, algorithm: str, with_certificate: bool
) -> None:
    sent = statement(result={"duration": "PT1.239S"})
    over = {**sent, "result": {"duration": "PT1.231S"}}  # finer than the standard compares
    headers = {"x5c": [certificate(KEY)]} if with_certificate else {}
    file = signed(sent, over=over, algorithm=algorithm, **headers)

    assert post(client, made, with_signature(sent, file), file).status_code == 200


@pytest.mark.parametrize(
    "file",
    [
        signed(statement(), over=statement(id="7ca1ab1e-0000-4000-8000-000000000000", verb="passed")),
        signed({}, over={"actor": 1}),
        signed({}, over=[1]),
        file_of(b"not a token"),
        file_of(b"a.b.c"),
        signed(statement(id="7ca1ab1e-0000-4000-8000-000000000000"), algorithm="HS256"),
        signed(
            statement(id="7ca1ab1e-0000-4000-8000-000000000000"),
            x5c=[certificate(rsa.generate_private_key(public_exponent=65537, key_size=2048))],
        ),
        signed(statement(id="7ca1ab1e-0000-4000-8000-000000000000"), x5c=["AAAA"]),
        signed(statement(id="7ca1ab1e-0000-4000-8000-000000000000"), x5c=7),
    ],
    ids=[
        "over another statement",
        "over no statement",
        "over an array",
        "no token",
        "a broken token",
        "another algorithm",
        "another key than its certificate's",
        "a broken certificate",
        "a certificate of another kind",
    ],
)
def test_it_refuses_a_signature_that_proves_nothing(
    client: Client, made: credentials.NewCredential, file: File
) -> None:
    sent = statement(id="7ca1ab1e-0000-4000-8000-000000000000")

    answer = post(client, made, with_signature(sent, file), file)

    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"].startswith("$.attachments[0]")
    assert not Statement.objects.exists()


def test_it_refuses_a_signature_that_lies_elsewhere(client: Client, made: credentials.NewCredential) -> None:
    sent = statement()
    elsewhere = with_signature(sent, signed(sent), fileUrl="https://example.com/signature")

    answer = client.post(
        URL, json.dumps(elsewhere), content_type="application/json", headers=headers_of(made)
    )

    assert answer.status_code == 400
