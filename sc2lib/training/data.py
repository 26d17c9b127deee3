"""Training batches as a pure function of the step: nothing to save, nothing to lose when a run stops.

The token file is cut into windows of T+1 tokens that overlap by one, so each token is predicted once an epoch. Sample
g of a run (g = 0, 1, 2, ...) is window ``permutation(seed, epoch)[g mod windows]`` with fill-in-the-middle drawn from a
generator keyed by (seed, g). Which process asks, how many there are, and where the run was interrupted change nothing.

Shape suffixes: B sequences of a micro-batch · T tokens of a sequence
"""

import itertools
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sc2lib.corpus.fim import PAD, FimRates, fim
from sc2lib.errors import InputError, ParameterError
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.config import DataConfig
from sc2lib.training.permutation import Permutation
from sc2lib.training.skips import Skips
from sc2lib.training.strategies import data_parallel_rank

IGNORED = -100  # the target that no loss counts (PyTorch's convention)


class TokenWindows:
    """A file of uint16 token ids as overlapping windows of `length` + 1 tokens; the file is never read whole.

    Raises InputError when the file is missing, is cut inside a token, or is shorter than one window.
    """

    def __init__(self, path: str | Path, length: int) -> None:
        self.path, self.length = Path(path), length
        if not self.path.is_file():
            raise InputError(f"{path} is missing; 09_tokenizer writes it")
        if self.path.stat().st_size % 2:
            raise InputError(f"{path} has an odd number of bytes, so it is not a whole file of uint16 tokens")
        self.tokens = np.memmap(self.path, np.uint16, "r") if self.path.stat().st_size else np.empty(0, np.uint16)
        if len(self) < 1:
            raise InputError(
                f"{path} has {self.tokens.size:,} tokens, fewer than one window of {length:,} + 1; give a source with "
                "more files (or raise validation_fraction, where held-out text is short), or lower the context: "
                "sequence_length, in chapter 13 long_sequence_length"
            )

    def __len__(self) -> int:
        return max(0, self.tokens.size - 1) // self.length

    def __getitem__(self, index: int) -> np.ndarray:
        """Window `index`, uint16, [T+1]."""
        start = index * self.length
        return np.array(self.tokens[start : start + self.length + 1])


# docs: start-samples
class TrainingSamples(Dataset[tuple[Tensor, Tensor]]):
    """Sample g of the run as (tokens_T, targets_T), int64; a function of (seed, g) and of nothing else."""

    def __init__(self, windows: TokenWindows, tokenizer: Tokenizer, rates: FimRates, seed: int) -> None:
        self.windows, self.tokenizer, self.rates, self.seed = windows, tokenizer, rates, seed
        self._permutation = lru_cache(maxsize=2)(self._permute)

    def _permute(self, epoch: int) -> Permutation:
        return Permutation(len(self.windows), key=(self.seed, epoch))

    def window_of(self, sample: int) -> int:
        """The window that a sample reads: each once an epoch, in another order every epoch."""
        epoch, position = divmod(sample, len(self.windows))
        return self._permutation(epoch)(position)

    def __getitem__(self, sample: int) -> tuple[Tensor, Tensor]:
        tokens = self.windows[self.window_of(sample)]
        generator = np.random.Generator(np.random.Philox(key=[self.seed, sample]))
        tokens = fim(tokens, self.tokenizer, generator, self.rates)
        return shifted(tokens, padding=self.tokenizer.token_id(PAD))
        # docs: end-samples


def shifted(tokens: np.ndarray, padding: int | None = None) -> tuple[Tensor, Tensor]:
    """Inputs and targets of windows [..., T+1]: ``targets[t]`` follows ``tokens[t]``; padding is no target."""
    both = torch.from_numpy(tokens.astype(np.int64))
    inputs, targets = both[..., :-1].clone(), both[..., 1:].clone()
    if padding is not None:
        targets[targets == padding] = IGNORED
    return inputs, targets


# docs: start-sampler
class MicroBatches(Sampler[list[int]]):
    """The sample numbers of each micro-batch of one data-parallel rank, from `first_step` on, without an end.

    Step s takes samples s·G to (s+1)·G - 1 (G = `batch_size` sequences) of those that are not skipped, whatever the
    number of ranks, `dp_size`; they are dealt out so that every rank takes one micro-batch in turn.
    """

    def __init__(
        self,
        batch_size: int,
        micro_batch_size: int,
        first_step: int = 0,
        dp_rank: int = 0,
        dp_size: int = 1,
        skips: Skips | None = None,
    ) -> None:
        self.skips = skips or Skips()
        self.accumulation_steps = accumulation_steps(batch_size, micro_batch_size, dp_size)
        self.batch_size, self.micro_batch_size = batch_size, micro_batch_size
        self.first_step, self.dp_rank, self.dp_size = first_step, dp_rank, dp_size

    def __iter__(self) -> Iterator[list[int]]:
        for step in itertools.count(self.first_step):
            for turn in range(self.accumulation_steps):
                start = step * self.batch_size + (turn * self.dp_size + self.dp_rank) * self.micro_batch_size
                yield [self.skips.sample(position) for position in range(start, start + self.micro_batch_size)]


class TrainingData(lightning.LightningDataModule):
    """The batches from the next step on; Lightning asks for them when it has restored a checkpoint."""

    def __init__(self, samples: TrainingSamples, config: DataConfig) -> None:
        super().__init__()
        self.samples, self.config = samples, config

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        sizes = (self.config.batch_size, self.config.micro_batch_size)
        batches = MicroBatches(*sizes, self.trainer.global_step, *data_parallel_rank(self.trainer), self.config.skips)
        return training_loader(self.samples, batches, self.config.loader_workers)
        # docs: end-sampler


def accumulation_steps(batch_size: int, micro_batch_size: int, dp_size: int) -> int:
    """Micro-batches of each data-parallel rank in a step. Raises ParameterError for a batch that leaves a rest."""
    if batch_size % (micro_batch_size * dp_size):
        raise ParameterError(
            f"a batch of {batch_size} sequences does not divide into micro-batches of {micro_batch_size} on "
            f"{dp_size} process(es); make batch_size a multiple of {micro_batch_size * dp_size}"
        )
    return batch_size // (micro_batch_size * dp_size)


def training_loader(samples: TrainingSamples, batches: MicroBatches, workers: int = 0) -> DataLoader:
    """A loader of (tokens_BT, targets_BT); worker processes read ahead and cannot change the order."""
    pinned = torch.cuda.is_available()
    return DataLoader(samples, batch_sampler=batches, num_workers=workers, pin_memory=pinned)
