"""Foreign tokens are told by their content, whatever their size, and a large file is not read whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from sc2lib.errors import InputError
from sc2lib.training import fingerprints
from sc2lib.training.fingerprints import BLOCK, BLOCKS, fingerprint, model_fingerprint
from sc2lib.workflow.manifest import Manifest


@pytest.mark.parametrize("size", [1, 1000, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
def test_any_byte_of_a_small_file_counts(tmp_path: Path, size: int) -> None:
    path = tmp_path / "train.bin"
    content = bytearray(np.random.default_rng(0).integers(0, 256, size, np.uint8).tobytes())
    path.write_bytes(content)
    before = fingerprint(path)
    assert fingerprint(path) == before
    for place in {0, size // 2, size - 1}:
        content[place] ^= 1
        path.write_bytes(content)
        assert fingerprint(path) != before
        content[place] ^= 1


def test_a_large_file_is_known_by_blocks_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the blocks that are read: another order of the same tokens, and either end, still show."""
    monkeypatch.setattr(fingerprints, "BLOCK", 16)
    size = 10 * 16 * BLOCKS
    content = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    shuffled, first, last = np.random.default_rng(1).permutation(content), content.copy(), content.copy()
    first[0] ^= 1
    last[-1] ^= 1
    found = []
    for number, one in enumerate((content, content, shuffled, first, last)):
        one.tofile(tmp_path / f"{number}.bin")
        found.append(fingerprint(tmp_path / f"{number}.bin"))
    assert found[0] == found[1] and len(set(found)) == 4


def test_the_manifest_of_a_stage_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "train.bin"
    path.write_bytes(bytes(100))
    alone = fingerprint(path)
    found = {alone}
    for sha in ("aa", "bb"):
        outputs = {"train.bin": [{"path": "train.bin", "bytes": 100, "sha256": sha}]}
        Manifest("09_tokenizer", "smoke", "", "", {}, {}, outputs).save(tmp_path)
        found.add(fingerprint(path))
    assert len(found) == 3
    (tmp_path / "manifest.json").write_text(json.dumps({"of": "another program"}))
    assert fingerprint(path) == alone


def test_a_model_is_its_configuration_and_its_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds no weights"):
        model_fingerprint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = model_fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("about it")
    assert model_fingerprint(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    assert model_fingerprint(tmp_path) != before
    with pytest.raises(InputError, match=r"cannot read .*train\.bin"):
        fingerprint(tmp_path / "train.bin")
