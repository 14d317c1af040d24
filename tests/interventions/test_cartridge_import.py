"""Lessons from a Common Cartridge: its pages and links, bounded, and harmless whatever is in it."""

import io
import zipfile
from typing import Any

import pytest

from interventions import authoring
from interventions.lesson_import import bringing, cartridge, files
from interventions.lesson_import.proposed import NotReadable
from interventions.models import Lesson
from tests.support.interventions import NOW
from tests.support.lessons import make_owner

MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier="course-1" xmlns="http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1">
  <organizations><organization><item identifier="root">
    <item identifier="i1" identifierref="r1"><title>Three points</title></item>
    <item identifier="i2" identifierref="r2"><title>The rules</title></item>
    <item identifier="i3" identifierref="r3"><title>A talk</title></item>
  </item></organization></organizations>
  <resources>
    <resource identifier="r1" type="webcontent" href="pages/three%20points.html"><file href="x"/></resource>
    <resource identifier="r2" type="imswl_xmlv1p3"><file href="rules.xml"/></resource>
    <resource identifier="r3" type="imsdt_xmlv1p3"><file href="talk.xml"/></resource>
  </resources>
</manifest>"""
PARTS = {
    "imsmanifest.xml": MANIFEST,
    "pages/three points.html": "<html><head><title>x</title></head><body><h1>Hold</h1><p>Always\nthree.</p>"
    "<script>alert(1)</script><ul><li>a hand</li><li>two feet</li></ul></body></html>",
    "rules.xml": '<webLink xmlns="http://www.imsglobal.org/xsd/imsccv1p3/imswl_v1p3"><title>R</title>'
    '<url href="https://rules.example/ladders"/></webLink>',
}


def packed(**changes: str | bytes | None) -> bytes:
    parts: dict[str, Any] = {**PARTS, **{name.replace("__", "."): said for name, said in changes.items()}}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, said in parts.items():
            if said is not None:
                file.writestr(name, said)
    return out.getvalue()


def unpacked(said: bytes) -> list[Any]:
    return list(cartridge.read(said, language="en", competency=None, minutes=None))


class TestCartridge:
    def test_it_reads_pages_and_web_links(self) -> None:
        page, link, other = unpacked(packed())

        assert (page.content.title, page.content.format) == ("Three points", "text")
        assert page.content.body == "Hold\n\nAlways three.\n\n- a hand\n- two feet"
        assert (link.content.format, link.content.address) == ("link", "https://rules.example/ladders")
        assert str(other) == "“A talk”: imsdt_xmlv1p3 is no page and no web link. Add it by hand, as a link."
        assert page.key != link.key

    @pytest.mark.django_db
    def test_it_waits_for_questions_as_a_draft(self) -> None:
        origin, rows = files.read("c.imscc", packed(), language="en", competency=None, minutes=None)
        bringing.bring_in(
            rows, origin=origin, owner=make_owner(), by=None, now=NOW, dry_run=False, whole=False
        )

        lesson = Lesson.objects.get(texts__title="Three points")
        assert authoring.unready(lesson, today=NOW.date()) == [
            "en: A lesson ends with at least one question."
        ]

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            (b"PK\x03\x04 nothing", "no zip file"),
            (packed(imsmanifest__xml=None), "no imsmanifest.xml"),
            (packed(imsmanifest__xml="<manifest>"), "no XML"),
            (packed(imsmanifest__xml='<!DOCTYPE m [<!ENTITY a "b">]><m>&a;</m>'), "document type"),
            (
                packed(imsmanifest__xml='<!DOCTYPE m [<!ENTITY a "b">]><m>&a;</m>'.encode("utf-16")),
                "document type",
            ),
            (packed(imsmanifest__xml='<!DOCTYPE m SYSTEM "file:///etc/passwd"><m/>'), "document type"),
            (packed(imsmanifest__xml="<a>" * 60 + "</a>" * 60), "nested too deeply"),
            (packed(rules__xml=None), "is not in it"),
            (packed(rules__xml=b" " * (cartridge.LARGEST_PART + 1)), "unpacks to too much"),
        ],
        ids=range(9),
    )
    def test_it_is_not_harmed_by_a_hostile_one(self, said: bytes, word: str) -> None:
        with pytest.raises(NotReadable, match=word):
            unpacked(said)

    def test_it_unpacks_no_more_than_so_much_in_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cartridge, "LARGEST_UNPACKED", sum(len(said) for said in PARTS.values()) - 1)

        with pytest.raises(NotReadable, match="unpacks to too much"):
            unpacked(packed())

    def test_it_leads_nowhere_but_to_addresses(self) -> None:
        link = PARTS["rules.xml"].replace("https://rules.example/ladders", "javascript:alert(1)")

        row = unpacked(packed(rules__xml=link))[1]

        assert "address" in {fault.field for fault in authoring.faults_of(row.content)}
