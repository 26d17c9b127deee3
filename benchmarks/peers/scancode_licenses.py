"""ScanCode's verdicts on texts: run by the Python of ScanCode's own environment, never imported.

Reads JSON lines ``{"key": …, "text": …}`` from standard input and writes ``{"key": …, "licenses": […], "matches":
[[ScanCode expression, first line, last line], …], "seconds": …}``. The only argument is ScanCode's ``deadline``, in
seconds since 1970; without it there is none. The released code of The Stack v2 passes 100.
"""

import json
import sys
import time

from license_expression import Licensing
from licensedcode.cache import get_index, get_licenses_db
from licensedcode.detection import detect_licenses


def main() -> None:
    get_index()
    keys = {key: entry.spdx_license_key or f"LicenseRef-scancode-{key}" for key, entry in get_licenses_db().items()}
    licensing = Licensing()
    deadline = int(sys.argv[1]) if len(sys.argv) > 1 else sys.maxsize
    for line in sys.stdin:
        row = json.loads(line)
        start = time.perf_counter()
        found: dict[str, None] = {}
        matches = []
        for detection in detect_licenses(query_string=row["text"], deadline=deadline):
            symbols = licensing.license_keys(detection.license_expression, unique=True)
            found |= dict.fromkeys(keys[symbol] for symbol in symbols)
            for match in detection.matches:
                matches.append([match.rule.license_expression, match.start_line, match.end_line])
        seconds = time.perf_counter() - start
        print(json.dumps({"key": row["key"], "licenses": sorted(found), "matches": matches, "seconds": seconds}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
