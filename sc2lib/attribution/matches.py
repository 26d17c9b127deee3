"""Matches as a table: one row for each place that holds a span of a query."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from sc2lib.attribution.index import Index, Span

MATCHES = pa.schema(
    [
        ("query", pa.string()),
        *((name, pa.int32()) for name in ("start", "end", "tokens")),
        *((name, pa.string()) for name in ("swhid", "repo_name", "path", "license_type")),
        ("licenses", pa.list_(pa.string())),
        *((name, pa.int32()) for name in ("first_line", "last_line")),
    ]
)


def find_matches(index: Index, queries: Iterable[tuple[str, str]]) -> pa.Table:
    """MATCHES rows for (name, text) pairs; `start` and `end` are characters of the query."""
    rows = []
    for name, text in queries:
        for span in index.lookup(text):
            place = {"query": name, "start": span.start, "end": span.end, "tokens": span.tokens}
            rows += [place | vars(source) | {"licenses": list(source.licenses)} for source in span.sources]
    return pa.Table.from_pylist(rows, schema=MATCHES)


def longest_matches(matches: pa.Table, count: int) -> list[dict[str, Any]]:
    """The `count` queries with the longest matches, each with its longest one at the first place in name order."""
    keys = [("tokens", "descending"), ("query", "ascending"), ("repo_name", "ascending"), ("path", "ascending")]
    first: dict[str, dict[str, Any]] = {}
    for row in matches.sort_by(keys).to_pylist():
        first.setdefault(row["query"], row)
    return list(first.values())[:count]


def described(row: Mapping[str, Any]) -> tuple[str, str, int, str]:
    """A MATCHES row for a reader: file and identifier, lines, tokens and licence."""
    return (
        f"{row['repo_name']} {row['path']}<br>`{row['swhid']}`",
        f"{row['first_line']}–{row['last_line']}",
        row["tokens"],
        ", ".join(row["licenses"]) or row["license_type"],
    )


def covered(spans: Iterable[Span], length: int) -> float:
    """Share of a query's `length` characters that lie in some span, 0 to 1."""
    total, reach = 0, 0
    for span in sorted(spans, key=lambda span: span.start):
        total += max(0, span.end - max(span.start, reach))
        reach = max(reach, span.end)
    return total / length if length else 0.0
