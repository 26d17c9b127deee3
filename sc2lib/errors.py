"""The errors of the package: each says what was wrong, where, and what to do."""


class Sc2Error(Exception):
    """Base of every error the package raises on purpose."""


class InputError(Sc2Error):
    """The user's data cannot be used as it is; the message names the file and the remedy."""


class TransferError(Sc2Error):
    """Something could not be fetched whole; the message says what and from where. Running again goes on."""


class ParameterError(Sc2Error, ValueError):
    """A parameter is unknown, of the wrong type or out of range; the message names the nearest valid one."""


class StageError(Sc2Error):
    """A stage cannot run; the message names the command that makes what is missing."""


class RunDirectoryError(Sc2Error):
    """A run directory is locked by another process, of another version, or cannot be written."""


class UnsupportedError(Sc2Error):
    """This machine or configuration cannot do what was asked; the message names the alternative."""


class StoppedError(Sc2Error):
    """A run ended because it was asked to (a signal, a time limit); the same command goes on where it stopped."""


class ChainError(Sc2Error):
    """A notebook of the chain failed; the message names the notebook, the cell and the error."""
