"""/xapi/statements: stored by POST and PUT, read back by GET."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import http_date

from signals.ingest import ingest
from signals.models import Credential
from signals.results import Result
from signals.unit_scope import is_limited
from signals.xapi import attachments, bodies, query
from signals.xapi.credentials import demand
from signals.xapi.faults import Fault, StatementFaults
from signals.xapi.multipart import File, join
from signals.xapi.primitives import uuid_of
from signals.xapi.rendering import languages_of, render
from signals.xapi.views.resource import resource
from signals.xapi.wire import (
    BadRequest,
    body_of,
    encode,
    fault_dict,
    json_response,
    major_of,
)

# A source with the permission "bulk" may send this header with the value "bulk": then what is faulty is kept in
# quarantine and the rest is stored, instead of the standard's all or nothing. With the value "each" the answer says
# what became of each statement.
INTAKE_HEADER = "X-Rekindle-Intake"
MOST_STATEMENTS = 5000
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


@resource(["GET", "HEAD", "POST", "PUT"])
def statements(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    """Statements stored (POST, PUT) or read back (GET, HEAD)."""
    if request.method == "POST":
        return _post(request, credential, now)
    if request.method == "PUT":
        return _put(request, credential, now)
    return _get(request, credential)


def _post(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    demand(credential, "write")
    if request.GET:
        raise BadRequest(
            sorted(request.GET)[0], "is not a parameter of POST", "Send statements in the body alone."
        )
    intake = request.headers.get(INTAKE_HEADER, "").strip().lower()
    bulk = intake in ("bulk", "each")
    if bulk:
        demand(credential, "bulk")
    body, files = _unpacked(request)
    if bulk and files:
        raise BadRequest(
            INTAKE_HEADER, "does not go with files", "Send statements with files the strict way."
        )
    items = _statements_in(body)
    taken = ingest(items, credential=credential, now=now, bulk=bulk, major=major_of(request), files=files)
    ids = [str(key) for key in taken.ids]
    if intake == "each":
        return json_response({"results": [_told(result) for result in taken.results]})
    if not bulk:
        return json_response(ids)
    return json_response(
        {
            "ids": ids,
            "duplicates": [str(key) for key in taken.duplicates],
            "quarantined": [str(key) if key is not None else None for key in taken.quarantined],
            "faults": [fault_dict(fault) for fault in taken.faults],
        }
    )


def _told(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "index": result.place,
        "id": str(result.id) if result.id is not None else None,
        "result": result.outcome.value,
    }
    return told | ({"faults": [fault_dict(fault) for fault in result.faults]} if result.faults else {})


def _put(request: HttpRequest, credential: Credential, now: datetime) -> HttpResponse:
    demand(credential, "write")
    statement_id = uuid_of(request.GET.get("statementId", ""))
    if statement_id is None:
        raise BadRequest("statementId", "is missing or not a UUID", "Name the statement's id in the address.")
    if set(request.GET) != {"statementId"}:
        raise BadRequest("statementId", "is not the only parameter", "PUT takes nothing else in its address.")
    body, files = _unpacked(request)
    ingest(
        [body],
        credential=credential,
        now=now,
        statement_id=statement_id,
        major=major_of(request),
        files=files,
    )
    return HttpResponse(status=204)


def _unpacked(request: HttpRequest) -> tuple[bytes, Mapping[str, File]]:
    """(the statements' JSON, the files that came with it)."""
    kind = (request.content_type or "").lower()
    if kind == "multipart/mixed":
        return attachments.unpack(body_of(request), request.headers.get("Content-Type", ""))
    if kind != "application/json":
        raise BadRequest(
            "Content-Type", "is not JSON", "Send application/json, or multipart/mixed where files come along."
        )
    return body_of(request), attachments.NO_FILES


def _statements_in(body: bytes) -> list[bytes]:
    """The bytes of each statement sent, one or many, untouched."""
    start = body.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
    if start != b"[":
        return [body]
    try:
        items = [bytes(item) for item in _split(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StatementFaults(
            [Fault(0, "$", f"is not JSON: {error}", "Send well-formed JSON in UTF-8.", "malformed")]
        ) from error
    if len(items) > MOST_STATEMENTS:
        raise BadRequest("body", f"holds more than {MOST_STATEMENTS} statements", "Send fewer at once.", 413)
    return items


def _get(request: HttpRequest, credential: Credential) -> HttpResponse:
    demand(credential, "read", "read/mine")
    mine = credential if is_limited(credential) else None
    parameters: Mapping[str, str] = {name: values[-1] for name, values in request.GET.lists()}
    languages = languages_of(request.headers.get("Accept-Language", ""))
    asked = query.single(parameters)
    if asked is not None:
        return _one(request, parameters, asked, mine, languages)
    wanted = query.parse(parameters)
    found = query.page(wanted, mine=mine)
    more = f"{reverse('xapi_statements')}?{urlencode({'cursor': found.more})}" if found.more else ""
    content = encode({"statements": render(found.found, wanted.format, languages), "more": more})
    response = _with_files(content, found.found) if wanted.attachments else _tagged(request, content)
    if found.found:
        response["Last-Modified"] = http_date(max(item.stored for item in found.found).timestamp())
    return response


def _one(
    request: HttpRequest,
    parameters: Mapping[str, str],
    asked: tuple[UUID, bool],
    mine: Credential | None,
    languages: list[str],
) -> HttpResponse:
    form = query.format_of(parameters)
    statement_id, voided = asked
    found = query.one(statement_id, voided=voided, mine=mine)
    if found is None:
        raise BadRequest(
            "statementId", "is not the id of such a statement", "Check the id; it may be voided.", 404
        )
    content = encode(render([found], form, languages)[0])
    response = (
        _with_files(content, [found])
        if query.switch(parameters, "attachments")
        else _tagged(request, content)
    )
    response["Last-Modified"] = http_date(found.stored.timestamp())
    return response


def _with_files(content: bytes, found: Sequence[query.Found]) -> HttpResponse:
    """The answer and the files of these statements, as multipart/mixed."""
    files = attachments.files_of({item.id: bodies.decode(item.body) for item in found})
    boundary = _boundary(content, *(file.content for file in files))
    return HttpResponse(join(content, files, boundary), content_type=f"multipart/mixed; boundary={boundary}")


def _boundary(*contents: bytes) -> str:
    """A text that occurs in none of these. The same contents give the same."""
    sum_of_all = blake2b(digest_size=16)
    for content in contents:
        sum_of_all.update(content)
    boundary = f"rekindle-{sum_of_all.hexdigest()}"
    while any(boundary.encode() in content for content in contents):
        boundary = f"rekindle-{blake2b(boundary.encode(), digest_size=16).hexdigest()}"
    return boundary


def _tagged(request: HttpRequest, content: bytes) -> HttpResponse:
    tag = f'"{blake2b(content, digest_size=16).hexdigest()}"'
    known: Any = request.headers.get("If-None-Match", "")
    response = (
        HttpResponse(status=304)
        if tag in [part.strip() for part in known.split(",")]
        else HttpResponse(content, content_type="application/json")
    )
    response["ETag"] = tag
    return response
