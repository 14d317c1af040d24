"""HTML that somebody else wrote, as plain text with paragraphs: no tag of it ever reaches a page."""

from html.parser import HTMLParser

_BREAKS = frozenset(
    {"p", "div", "ul", "ol", "table", "tr", "blockquote", *(f"h{size}" for size in range(1, 7))}
)
_SILENT = frozenset({"script", "style", "template", "noscript", "head"})


def plain(html: str) -> str:
    """The words of this HTML; paragraphs apart, points of lists as lines that begin with a hyphen."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    blocks = "".join(reader.said).split("\n\n")
    told = (
        "\n".join(" ".join(line.split()) for line in block.splitlines() if line.strip()) for block in blocks
    )
    return "\n\n".join(block for block in told if block)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BREAKS:
            self.said.append("\n\n")
        elif tag == "li":
            self.said.append("\n- ")
        elif tag == "br":
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BREAKS:
            self.said.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            # A line break of the source is a space on a page.
            self.said.append(" ".join(data.splitlines()) if data.strip() else " ")
