"""Documentation of projects: package descriptions, pages of documentation folders, manual pages.

Paper sheet, section 2.5. The paper crawls web sites and, where there is none, takes what the package manager
shows; its result is one text a project. An archive holds the second kind: the long description of a package
(PyPI's project page) and the pages of its documentation folders.
"""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser

from sc2lib.documents.records import Document, Provenance, Segment

SHORTEST_PAGE = 100  # characters; the paper gives no number
FOLDERS = frozenset(
    ["doc", "docs", "documentation", "guide", "guides", "man", "manual", "manuals", "tutorial", "tutorials"]
)
MANUAL_FOLDER = re.compile(r"^man\d\w*$")
PAGE_LANGUAGES = frozenset(
    ["AsciiDoc", "Markdown", "Org", "Pod", "RDoc", "RMarkdown", "Roff", "Roff Manpage", "Text", "reStructuredText"]
)
CONTENT_TYPES = {"text/markdown": "Markdown", "text/x-rst": "reStructuredText", "text/plain": "Text"}


def is_description(path: str) -> bool:
    """Whether a file holds a Python package's metadata, whose body is its long description."""
    folder, name = posixpath.split(path)
    return name == "PKG-INFO" or (name == "METADATA" and folder.endswith(".dist-info"))


def is_page(path: str, language: str | None) -> bool:
    """Whether a file is a page of documentation: a text language, below a folder with a name such as docs."""
    if language not in PAGE_LANGUAGES:
        return False
    folders = [folder.lower() for folder in path.strip("/").split("/")[:-1]]
    if any(folder.endswith((".dist-info", ".egg-info")) for folder in folders):
        return False
    return any(folder in FOLDERS or MANUAL_FOLDER.match(folder) for folder in folders)


@dataclass(frozen=True)
class Page:
    """A cleaned page and the file it came from."""

    blob_id: str
    path: str
    language: str
    license_type: str | None
    text: str


def description(metadata: str) -> tuple[str, str]:
    """Language and text of the long description in a METADATA or PKG-INFO file; the text may be empty.

    Old files keep it in the header Description, indented by eight blanks or a bar (core metadata 1.0 to 1.2).
    """
    message = HeaderParser().parsestr(metadata)
    text = str(message.get_payload())
    if not text.strip() and message["Description"]:
        text = re.sub(r"\n(?: {7}\|| {8})", "\n", str(message["Description"]))
    kind = str(message.get("Description-Content-Type", "text/x-rst")).split(";")[0].strip().lower()
    return CONTENT_TYPES.get(kind, "Text"), "" if text.strip() == "UNKNOWN" else text


COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
BADGE_MARKDOWN = re.compile(r"^[ \t]*(?:\[?!\[[^\]]*\]\([^)]*\)(?:\]\([^)]*\))?[ \t]*)+$", re.MULTILINE)
BADGE_RST = re.compile(r"^\.\. (?:\|[^|\n]+\| )?image::.*\n(?:[ \t]+:.*\n?)*", re.MULTILINE)
BLANK_LINES = re.compile(r"\n{3,}")
ROFF_FONT = re.compile(r"\\f(?:[A-Z]|\[[^\]]*\]|\([A-Z]{2})")


def clean(text: str, language: str) -> str:
    """Take out what no reader looks at: comments, rows of badges, trailing blanks, runs of empty lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if language in ("Markdown", "RMarkdown"):
        text = BADGE_MARKDOWN.sub("", COMMENT.sub("", text))
    elif language == "reStructuredText":
        text = BADGE_RST.sub("", text)
    elif language in ("Roff", "Roff Manpage"):
        text = _from_roff(text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return BLANK_LINES.sub("\n\n", text).strip("\n")


def _from_roff(text: str) -> str:
    """The words of a manual page: section requests become headings, other requests and font changes go."""
    lines = []
    for line in text.split("\n"):
        if line.startswith(('.\\"', "'\\\"")):
            continue
        request = re.match(r"[.'][ \t]*(\w*)[ \t]*(.*)", line)
        if request:
            name, rest = request.groups()
            prefix = {"SH": "# ", "SS": "## ", "TH": "", "Sh": "# ", "Ss": "## "}.get(name, "")
            line = prefix + rest.replace('"', "")
        line = ROFF_FONT.sub("", line)
        lines.append(line.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\"))
    return "\n".join(lines)


def document(repo_name: str, pages: Iterable[Page], split: str) -> Document:
    """One document a project: its description first, then its pages in the order of their paths."""
    ordered = sorted(pages, key=lambda page: (not is_description(page.path), page.path, page.blob_id))
    segments: list[Segment] = [
        (None, ("\n\n" if index else "") + page.text + "\n") for index, page in enumerate(ordered)
    ]
    files = [
        Provenance(page.blob_id, page.path, page.language, page.license_type, index)
        for index, page in enumerate(ordered)
    ]
    return Document("documentation", repo_name, split, segments, files)
