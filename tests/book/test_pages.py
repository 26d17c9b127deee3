"""Every page of a built book, read as files: links lead somewhere, pictures are there, nothing comes from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from sc2lib.book.assembly import entries

ROOT = Path(__file__).resolve().parents[2]
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "video": "src",
    "object": "data",
}


class Reader(HTMLParser):
    """Ids, links, and what a page loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        loads = tag in LOADED and (tag != "link" or {"stylesheet", "icon", "preload"} & set(found["rel"].split()))
        if loads and found.get(LOADED[tag]):
            self.loads.append((tag, found[LOADED[tag]]))


@pytest.fixture(scope="module")
def pages(book: Path) -> dict[Path, Reader]:
    return {path: Reader(path) for path in sorted(book.rglob("*.html")) if "_static" not in path.parts}


def test_every_entry_of_the_table_of_contents_has_a_page(book: Path, pages: dict[Path, Reader]) -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert {book / f"{page}.html" for page, _ in entries(toc)} <= set(pages)


def test_internal_links_lead_somewhere(book: Path, pages: dict[Path, Reader]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                broken.append(f"{path.relative_to(book)}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                broken.append(f"{path.relative_to(book)}: {link} (no such place on the page)")
    assert not broken, "\n".join(sorted(set(broken)))


def test_pages_load_only_files_of_the_book(book: Path, pages: dict[Path, Reader]) -> None:
    wrong = []
    for path, page in pages.items():
        for tag, address in page.loads:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            file = (path.parent / unquote(parts.path)).resolve()
            if parts.scheme or parts.netloc or not file.is_file():
                wrong.append(f"{path.relative_to(book)}: <{tag}> {address}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_chapters_can_be_downloaded_and_hold_no_path_of_this_machine(book: Path) -> None:
    downloads = sorted((book / "_sources" / "notebooks").glob("*.ipynb"))
    assert downloads
    for path in downloads:
        text = path.read_text(encoding="utf-8")
        assert "sc2-run" not in text and not re.search(r'"(outputs)": \[\s*\{[^}]*"ename"', text), path.name
        assert str(ROOT) not in text, path.name


def test_search_knows_the_chapters(book: Path) -> None:
    index = (book / "searchindex.js").read_text(encoding="utf-8")
    for word in ("minhash", "token"):
        assert f'"{word}"' in index or f"{word}:" in index.replace('"', "")
