"""Lessons from an IMS Common Cartridge (1.1 to 1.3), as learning systems export a course: its pages and web links.

Nothing is unpacked to a disk, no more than a bounded part is unpacked at all, and XML with a document type is refused:
with it come entities, and with those everything that makes XML dangerous.
"""

import hashlib
import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from interventions.authoring import BODY_LENGTH, TITLE_LENGTH, Content
from interventions.lesson_import.plain import plain
from interventions.lesson_import.proposed import MOST_ROWS, NotReadable, Proposed, Refused
from interventions.models import LessonText

LARGEST_CARTRIDGE = 50 * 1024 * 1024
LARGEST_PART = 2 * 1024 * 1024
LARGEST_UNPACKED = 50 * 1024 * 1024
MOST_PARTS = 20_000
DEEPEST = 50
WAITS = {"en": "This page opens elsewhere.", "de": "Diese Seite öffnet sich anderswo."}


def read(
    content: bytes, *, language: str, competency: str | None, minutes: int | None
) -> Iterator[Proposed | Refused]:
    """The pages and web links of a cartridge, in its order. Raises NotReadable."""
    if len(content) > LARGEST_CARTRIDGE:
        raise NotReadable(
            f"The cartridge is larger than {LARGEST_CARTRIDGE >> 20} MiB. Export fewer files with it."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for row in _Cartridge(packed, language).rows():
                yield (
                    row._replace(competency=competency, minutes=minutes) if isinstance(row, Proposed) else row
                )
    # What zipfile raises of a file: broken, cut short, of another compression, or locked by a password (RuntimeError).
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as fault:
        raise NotReadable("The cartridge is no zip file that can be read. Export it again.") from fault


class _Cartridge:
    def __init__(self, packed: zipfile.ZipFile, language: str) -> None:
        self.packed, self.language, self.left = packed, language, LARGEST_UNPACKED
        self.names = {info.filename for info in packed.infolist()}
        if len(self.names) > MOST_PARTS:
            raise NotReadable(f"The cartridge has more than {MOST_PARTS:,} files.")
        if "imsmanifest.xml" not in self.names:
            raise NotReadable("The cartridge has no imsmanifest.xml at its top.")
        self.manifest = _xml(self._part("imsmanifest.xml"), "imsmanifest.xml")
        self.resources = {
            one.get("identifier", ""): one for one in self.manifest.iter() if _name(one) == "resource"
        }

    def rows(self) -> Iterator[Proposed | Refused]:
        count = 0
        for item in self.manifest.iter():
            if _name(item) != "item" or not item.get("identifierref"):
                continue
            count += 1
            if count > MOST_ROWS:
                raise NotReadable(f"The cartridge has more than {MOST_ROWS:,} items.")
            resource = self.resources.get(item.get("identifierref", ""))
            if resource is not None:
                yield self._row(item, resource)

    def _row(self, item: Element, resource: Element) -> Proposed | Refused:
        title = " ".join(_told(item, "title").split()) or "Untitled"
        place = f"“{title[:60]}”"
        kind, href = resource.get("type", "").casefold(), self._file(resource)
        if kind.startswith("imswl_"):
            link = _xml(self._part(href), href)
            address = next((one.get("href", "") for one in link.iter() if _name(one) == "url"), "")
            said = Content(
                format=LessonText.Format.LINK,
                title=title,
                body=WAITS.get(self.language, WAITS["en"]),
                address=address,
            )
        elif kind == "webcontent" and href.casefold().endswith((".html", ".htm", ".xhtml")):
            text = plain(self._part(href).decode(errors="replace"))
            if len(text) > BODY_LENGTH:
                return Refused(
                    place, f"its page has {len(text):,} characters", "A lesson takes minutes: shorten it."
                )
            said = Content(format=LessonText.Format.TEXT, title=title, body=text)
        else:
            return Refused(
                place, f"{kind or 'this'} is no page and no web link", "Add it by hand, as a link."
            )
        if len(said.title) > TITLE_LENGTH:
            said = said._replace(title=said.title[: TITLE_LENGTH - 1].rstrip() + "…")
        named = f"{self.manifest.get('identifier', '')}:{item.get('identifier', '')}"
        key = "cc-" + hashlib.sha256(named.encode()).hexdigest()[:12]
        return Proposed(place=place, key=key, language=self.language, content=said)

    def _file(self, resource: Element) -> str:
        files = [one.get("href", "") for one in resource.iter() if _name(one) == "file"]
        href = resource.get("href") or (files[0] if files else "")
        return posixpath.normpath(unquote(href))

    def _part(self, name: str) -> bytes:
        """A file of the cartridge. What its directory says of its length is not believed."""
        if name not in self.names:
            raise NotReadable(f"The cartridge names {name[:80]}, which is not in it. Export it again.")
        with self.packed.open(name) as part:
            said = part.read(min(LARGEST_PART, self.left) + 1)
        self.left -= len(said)
        if len(said) > LARGEST_PART or self.left < 0:
            raise NotReadable(f"{name[:80]} unpacks to too much. Export the cartridge with less in it.")
        return said


class _NoDocumentType(TreeBuilder):
    """Builds a tree, unless the document declares what its entities are, or is nested beyond reason."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise NotReadable("The cartridge's XML declares a document type. Export it without one.")

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotReadable("The cartridge's XML is nested too deeply.")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _xml(content: bytes, name: str) -> Element:
    parser = XMLParser(target=_NoDocumentType())  # noqa: S314 - a document type, which it takes to be unsafe, is refused
    try:
        parser.feed(content)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as fault:
        raise NotReadable(f"{name[:80]} is no XML that can be read. Export the cartridge again.") from fault
    return root


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _told(element: Element, name: str) -> str:
    return next((one.text or "" for one in element if _name(one) == name), "")
