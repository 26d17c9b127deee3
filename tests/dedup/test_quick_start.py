"""What the workers of ``sc2 dedup`` leave out of their start is not loaded, and is there for whoever asks later."""

import subprocess
import sys

SCRIPT = """
import sys
import sc2lib.dedup.quick_start, sc2lib.dedup.walk
import numpy as np, pyarrow as pa
from sc2lib.dedup.minhash import signatures_of_texts
assert (signatures_of_texts(pa.array(["one two three four five six"] * 2)) < 2**32 - 1).all()
assert pa.array(np.arange(3)).to_pylist() == [0, 1, 2]
print([name for name in ("pandas", "scipy.linalg") if name in sys.modules])
import pandas, scipy.linalg
print(pandas.Series([1]).sum(), scipy.linalg.det([[2.0]]))
"""


def test_a_worker_starts_without_pandas_and_blas_and_can_have_them_later():
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n")[:2] == ["[]", "1 2.0"]
