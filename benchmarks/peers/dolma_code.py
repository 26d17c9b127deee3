"""Dolma's taggers for StarCoder's filters: run by the Python of Dolma's own environment, which pins an older NumPy.

Reads JSON lines ``{"text": …, "extension": …}`` from standard input and tags each.
"""

import json
import sys

from dolma.core.data_types import DocumentWithMetadata
from dolma.taggers.code import CodeStarCoderTaggers2


def main() -> None:
    tagger = CodeStarCoderTaggers2()
    for line in sys.stdin:
        row = json.loads(line)
        metadata = {"ext": row["extension"], "max_stars_count": 0}
        tagger.predict(DocumentWithMetadata(id="", text=row["text"], source="", metadata=metadata))


if __name__ == "__main__":
    main()
