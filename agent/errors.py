"""Every error that a user can meet, each with its exit code.

::

    IngleError                1  failed
    ├── UsageError            2  the command line is wrong
    ├── ConfigError          52  a settings file or a folder is unusable
    ├── ModelUnavailable     69  no model file, or one that cannot be used
    │   ├── BrokenModelFile      the file is there and is not a usable GGUF
    │   └── NoSpace              the disk is too small for the download
    ├── TryLater             75  somebody else is busy with it
    └── PermissionDenied     77  the policy refused, and nobody was there to ask

Messages are one line: what is wrong, then what to do.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `agent`; the numbers above 50 follow sysexits.h where it has one."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 52
    TURNS = 53
    BUDGET = 55
    MODEL_UNAVAILABLE = 69
    TRY_LATER = 75
    DENIED = 77
    INTERRUPTED = 130


class IngleError(Exception):
    """Base of all errors that are shown to the user as one line."""

    exit_code = ExitCode.FAILED


class UsageError(IngleError):
    exit_code = ExitCode.USAGE


class ConfigError(IngleError):
    exit_code = ExitCode.CONFIG


class ModelUnavailable(IngleError):
    exit_code = ExitCode.MODEL_UNAVAILABLE


class BrokenModelFile(ModelUnavailable):
    """The file exists, but is truncated, is not a GGUF, or describes a model that we cannot run."""


class NoSpace(ModelUnavailable):
    pass


class TryLater(IngleError):
    exit_code = ExitCode.TRY_LATER


class PermissionDenied(IngleError):
    exit_code = ExitCode.DENIED
