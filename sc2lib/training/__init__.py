"""Training: batches as a function of the step, a Lightning module, exact resume, one or many processes.

To follow a step, read in this order; every other module is one of these parts or looks at what they made.

    stages, config       from the knobs of a profile to the configuration of one run
    run                  the whole run in one process: `train`; `launch` starts one for each device, `run_folder` has
                         the names of its files
    data                 which samples a step reads (`permutation` shuffles, `skips` leaves out)
    module               forward, loss, clip, optimizer (`optimizer`, `schedule`, `recomputation`)
    parallel, strategies how the model is cut over devices, and what Lightning has to know of it
    steps, callbacks     what happens after a step: rows of `metrics`, `validation`, `samples`, `divergence`, `stopping`
    checkpoints, state   which states are kept, and their bytes; `lineage` and `fingerprints` say what made them

What looks at a run: `pictures`, `trends`, `live`, `labels`, `provenance`, and for chapter 12 `baselines`, `checks`,
`pretraining_tables`, for chapter 13 `positions`, `needles`, `retrieval`, `context_tables`.
"""

import warnings

# Lightning imports tqdm's notebook bars, which miss their widgets; the book shows progress in its own way.
warnings.filterwarnings("ignore", message="IProgress not found")
