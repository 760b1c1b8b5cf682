"""Values of the command line that need a look: numbers with units, lists, names."""

import re

from facetrack.core.errors import UsageError

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def jobs_of(given: str) -> int | None:
    """The number of ``--jobs``; None for ``auto``.

    Raises:
        UsageError: when it is neither.
    """
    if given == "auto":
        return None
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise UsageError(f"--jobs is {given!r}; it must be auto, or a number from 1 on")
    return int(given)


def ray_of(executor: str, address: str) -> str | None:
    """The address of the Ray cluster; None where ``--executor`` is not ``ray``.

    Raises:
        UsageError: when there is no such executor.
    """
    if executor not in ("auto", "ray"):
        raise UsageError(f"--executor is {executor!r}; it must be auto or ray")
    return address if executor == "ray" else None


def gpus_of(given: str | None) -> list[str]:
    """The GPUs of ``--gpus``, as ``0,1``; none where it is not given.

    Raises:
        UsageError: when it is no such list.
    """
    if given is None:
        return []
    gpus = [one.strip() for one in given.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,3}|(GPU|MIG)-[0-9a-fA-F-]{1,60}", one) for one in gpus):
        raise UsageError(f"--gpus is {given!r}; it must be numbers or UUIDs of GPUs, as 0,1")
    if len(set(gpus)) < len(gpus):
        raise UsageError(f"--gpus is {given!r}; name each GPU once")
    return gpus


def bytes_of(given: str | None) -> int | None:
    """The bytes of ``--memory``, as ``8G``; None where it is not given.

    Raises:
        UsageError: when it is no such size.
    """
    if given is None:
        return None
    size = re.fullmatch(r"([0-9]{1,12})([KMGT]?)(?:i?B)?", given, re.IGNORECASE)
    if size is None or int(size[1]) < 1:
        raise UsageError(f"--memory is {given!r}; it must be a size, as 8G or 500M")
    return int(size[1]) * UNITS[size[2].upper()]
