"""An HTML page read back: whether it is well-formed, and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "img", "br"}


@dataclass(slots=True)
class Element:
    """One element with what is in it, in order."""

    name: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, name: str, **attributes: str) -> list[Element]:
        """Every element of this name below, with these attributes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                fits = child.name == name and all(child.attributes.get(key.rstrip("_")) == value
                                                  for key, value in attributes.items())  # fmt: skip
                found += [*([child] if fits else []), *child.all(name, **attributes)]
        return found

    def one(self, name: str, **attributes: str) -> Element:
        """The only one."""
        (found,) = self.all(name, **attributes)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        closed = self._open.pop()
        assert closed.name == tag, f"</{tag}> closes <{closed.name}>"

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def finish(self) -> Element:
        """The whole page; fails where an element was left open."""
        self.close()
        assert len(self._open) == 1, f"left open: {[element.name for element in self._open[1:]]}"
        return self.root


def read_page(text: str) -> Element:
    """The page as elements; an assertion fails where it is not well-formed."""
    assert text.startswith("<!DOCTYPE html>\n")
    reader = _Reader()
    reader.feed(text)
    page = reader.finish()
    ids = [element.attributes["id"] for element in _all(page) if "id" in element.attributes]
    assert len(ids) == len(set(ids)), f"ids that stand twice: {[one for one in ids if ids.count(one) > 1]}"
    return page


def _all(element: Element) -> list[Element]:
    below = [child for child in element.children if isinstance(child, Element)]
    return [*below, *(one for child in below for one in _all(child))]


def all_elements(page: Element) -> list[Element]:
    """Every element of the page."""
    return _all(page)
