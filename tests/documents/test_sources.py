"""Every file belongs to one source."""

import pyarrow as pa
import pytest

from sc2lib.documents import sources
from sc2lib.errors import InputError
from sc2lib.tables import CONTENTS, FILES


def rows(*files):
    return pa.Table.from_pylist(
        [{"blob_id": f"{index:040x}", "path": path, "language": language, "repo_name": "pypi/x"}
         for index, (path, language) in enumerate(files)],
        schema=FILES,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "language", "source"),
    [
        ("/a.py", "Python", "code"),
        ("/README.md", "Markdown", "code"),
        ("/docs/index.md", "Markdown", "documentation"),
        ("/docs/tutorial.ipynb", "Jupyter Notebook", "notebook"),
        ("/x.dist-info/METADATA", None, "documentation"),
        ("/unknown", None, "code"),
    ],
)
def test_source_of_a_file(path, language, source):
    assert sources.source_of(path, language) == source


def test_selections_of_all_sources_are_a_partition():
    table = rows(("/a.py", "Python"), ("/docs/a.md", "Markdown"), ("/n.ipynb", "Jupyter Notebook"), ("/b", None))
    parts = [sources.select(table, (name,)) for name in ("code", "notebook", "documentation")]
    found = sorted(path for part in parts for path in part["path"].to_pylist())
    assert found == sorted(table["path"].to_pylist())


def test_routed_files_carry_their_own_text():
    table = rows(("/a.py", "Python"), ("/b.py", "Python"))
    contents = pa.table({"blob_id": table["blob_id"].to_pylist()[::-1], "content": ["b", "a"]}, schema=CONTENTS)
    routed = sources.routed(table, contents)
    assert routed.schema == sources.ROUTED
    assert routed["content"].to_pylist() == ["a", "b"]
    with pytest.raises(InputError, match="no content"):
        sources.routed(table, contents.slice(0, 1))
