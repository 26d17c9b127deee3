"""Training: batches as a function of the step, a Lightning module, exact resume, one or many processes."""
