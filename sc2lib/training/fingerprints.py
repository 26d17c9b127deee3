"""Which tokens and which weights a run reads, as hashes that need no pass over terabytes."""

import hashlib
from contextlib import suppress
from pathlib import Path

from sc2lib.errors import InputError, RunDirectoryError
from sc2lib.workflow import manifest as manifests

BLOCK = 1 << 16  # bytes
BLOCKS = 256


def fingerprint(path: Path) -> str:
    """SHA-256 of the size of a file, of blocks spread over it, and of its hash in the manifest of its stage, if any.

    Up to 16 MiB are read whole, of a larger file 256 blocks of 64 KiB, its two ends among them. Tokens in another order
    differ in nearly every block. A change of a few bytes may hide between two blocks; the manifest knows it.

    Raises InputError when the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        digest.update(f"{size} {_in_manifest(path)}\n".encode())
        count = min(BLOCKS, -(-size // BLOCK))
        with path.open("rb") as file:
            for k in range(count):
                file.seek(k * (size - BLOCK) // (BLOCKS - 1) if size > BLOCK * BLOCKS else k * BLOCK)
                digest.update(file.read(BLOCK))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); make it, or correct its path") from error
    return digest.hexdigest()


def model_fingerprint(folder: Path) -> str:
    """The same of a model: its configuration and all files of weights. Raises InputError when there are none."""
    paths = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    if len(paths) == 1:
        raise InputError(f"{folder} holds no weights (*.safetensors); give the folder of a trained model")
    return hashlib.sha256(" ".join(map(fingerprint, paths)).encode()).hexdigest()


def _in_manifest(path: Path) -> str:
    """What the manifest of the stage that wrote the file says; "" where there is none."""
    for folder in path.parents[:2]:
        with suppress(RunDirectoryError):  # a file of that name that is not ours
            found = manifests.load(folder)
            for entry in found.outputs.get(path.relative_to(folder).parts[0], []) if found else []:
                if entry["path"] == path.relative_to(folder).as_posix():
                    return str(entry["sha256"])
    return ""
