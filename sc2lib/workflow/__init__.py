"""The workflow: profiles, manifests, stages, executors and the runner. It knows no stage."""

from sc2lib.workflow.stage import Stage

__all__ = ["Stage"]
