"""Training: batches as a function of the step, a Lightning module, exact resume, one or many processes."""

import warnings

# Lightning imports tqdm's notebook bars, which miss their widgets; the book shows progress in its own way.
warnings.filterwarnings("ignore", message="IProgress not found")
