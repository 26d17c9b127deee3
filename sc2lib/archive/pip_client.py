"""Fetch one file from the index that pip is configured for, without running anything of the distribution.

``pip download`` builds a source distribution's metadata, which executes its ``setup.py``. This asks pip's own finder
and session instead, so that index, mirrors, proxies, certificates and passwords are pip's, and stops at the file.
Run as a child process: ``python -m sc2lib.archive.pip_client NAME VERSION SHA256 TARGET LIMIT``.
"""

import sys
from pathlib import Path


def fetch(name: str, version: str, sha256: str, target: Path, limit: int) -> str | None:
    """Write the file of that checksum (or the source distribution) to `target`; returns a problem, or None."""
    from pip._internal.commands.download import DownloadCommand

    command = DownloadCommand("download", "")
    options, _ = command.parse_args(["--no-deps", "--no-binary", ":all:", "--ignore-requires-python", "--quiet"])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        links = [found.link for found in finder.find_all_candidates(name) if str(found.version) == version]
        chosen = [link for link in links if link.hash == sha256] or [link for link in links if link.hash is None]
        if not chosen:
            known = ", ".join(sorted({link.filename for link in links})) or "no source distribution"
            return f"the package index has no {name} {version} with sha256 {sha256} (it has {known})"
        address = chosen[0].url_without_fragment
        with session.get(address, headers={"Accept-Encoding": "identity"}, stream=True) as reply:
            reply.raise_for_status()
            with target.open("wb") as file:
                for block in reply.iter_content(1 << 16):
                    if file.tell() + len(block) > limit:
                        return f"{address} is larger than {limit:,} bytes"
                    file.write(block)
    return None


if __name__ == "__main__":
    problem = fetch(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
    sys.exit(problem)
