"""Feeds damaged inputs to everything that reads files, and keeps those that end it badly.

    python tools/fuzz.py --cases 20000 --keep findings

A finding is an error that users would see as a traceback, a process that dies, a case of more than
20 seconds, memory of 2 GiB beyond what the process has after it started (its address space is
bound), or a file beside the input that is no longer there. Each case follows from its number and
the seed alone, so ``--seed S --only N`` runs it again. Processes live long and take many cases.

Ends with 1 when there is a finding, and prints one JSON line with the counts.
"""

import argparse
import faulthandler
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

KINDS = {"film": 10, "result": 10, "gallery": 2, "settings": 2, "photo": 1, "truth": 1,
         "recognizer": 1}  # fmt: skip
"""Kind of input: its share of the cases."""
FAULTS = ("error", "hang", "crash", "memory", "canary")
"""What ``--fault`` makes of every reader."""
MEMORY = 2 << 30
CANARY = "canary"
"""A file beside each input that no reader may touch."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="folder for inputs that are findings")
    parser.add_argument("--only", type=int, help="number of one case to run")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=20.0, help="most that a case may take")
    parser.add_argument("--fault", choices=FAULTS, help="fail in this way; to test this program")
    given = parser.parse_args()
    numbers = list(range(given.cases)) if given.only is None else [given.only]
    begun = time.perf_counter()
    reserve_little()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        work = Path(scratch)
        make_samples_in_process(work / "samples", given.kinds)
        cases = [Case(given.seed, number, given.kinds, given.fault) for number in numbers]
        jobs = min(given.jobs, len(cases))
        found = run(cases, Limits(work, given.seconds), jobs, given.keep)
    print(json.dumps({
        "cases": len(numbers), "findings": len(found), "seed": given.seed,
        "seconds": round(time.perf_counter() - begun, 1),
    }))  # fmt: skip
    return 1 if found else 0


class Case(NamedTuple):
    """One damaged input; all follows from these values."""

    seed: int
    number: int
    kinds: list[str]
    """Kinds of input to choose from."""
    fault: str | None = None


class Limits(NamedTuple):
    """Where children work, and for how long."""

    work: Path
    seconds: float


def run(cases: list[Case], limits: Limits, jobs: int, keep: Path | None) -> list[dict[str, Any]]:
    """Runs the cases in ``jobs`` processes; gives the findings."""
    found: list[dict[str, Any]] = []
    waiting = list(reversed(cases))
    children = [Child(limits, number) for number in range(jobs)]
    try:
        for child in children:
            child.begin(waiting.pop() if waiting else None)
        while busy := [child for child in children if child.case is not None]:
            wait([child.pipe for child in busy], timeout=1.0)
            for child in busy:
                if (finding := child.finding()) is not None:
                    if finding["what"]:
                        print("{case}: {kind}: {what}".format(**finding), file=sys.stderr)
                        found.append(finding)
                        keep_input(child.folder, finding, keep)
                    child.begin(waiting.pop() if waiting else None)
    finally:
        for child in children:
            child.end()
    return found


class Child:
    """A process that takes case after case; a new one is started when it dies or hangs."""

    def __init__(self, limits: Limits, number: int) -> None:
        self.folder = limits.work / f"child{number}"
        self._samples = limits.work / "samples"
        self._seconds = limits.seconds
        self.case: Case | None = None
        self._process: SpawnProcess | None = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._samples, self.folder))
        self._process.start()
        theirs.close()
        self.pipe.recv()  # it has loaded everything

    def begin(self, case: Case | None) -> None:
        self.case = case
        if case is not None:
            if self._process is None:
                self._start()
            self._since = time.monotonic()
            self.pipe.send(case)

    def finding(self) -> dict[str, Any] | None:
        """The case's outcome, whose ``what`` is empty when all is well; None while it runs."""
        assert self.case is not None and self._process is not None
        kind = kind_of(self.case)
        try:
            if self.pipe.poll():
                return {"case": self.case.number, "kind": kind, "what": self.pipe.recv()}
            if time.monotonic() - self._since < self._seconds:
                return None
            what = f"more than {self._seconds:.0f} s"
            self._process.kill()
            self._process.join()
        except (EOFError, ConnectionError):
            self._process.join()
            what = f"the process died ({self._process.exitcode})"
        self._process = None
        return {"case": self.case.number, "kind": kind, "what": what}

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()


def serve(pipe: Connection, samples: Path, folder: Path) -> None:
    """Takes cases from the pipe and answers with what went wrong, or an empty text."""
    sys.path.insert(0, str(Path(__file__).parent))
    import fuzz_targets

    faulthandler.enable()  # a process that dies says where
    bound_memory()
    pipe.send("ready")
    while True:
        case = pipe.recv()
        chance = random.Random(f"{case.seed} {case.number}")
        kind = kind_of(case)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(samples / kind, folder / kind)
        (folder / CANARY).write_text("untouched")
        name = fuzz_targets.damage(kind, folder / kind, chance)
        what = ""
        readers = fuzz_targets.readers(kind, name)
        for reader in readers if case.fault is None else [partial(fail, case.fault)]:
            try:
                fuzz_targets.refused(reader, folder / kind)
            except Exception:
                what = f"{name}: {traceback.format_exc()}"
        if not (folder / CANARY).exists():
            what = f"{name}: a file beside the input is gone"
        pipe.send(what)


def kind_of(case: Case) -> str:
    """The kind of input of a case."""
    chance = random.Random(f"kind {case.seed} {case.number}")
    return chance.choices(case.kinds, [KINDS[kind] for kind in case.kinds])[0]


def fail(fault: str, folder: Path) -> None:
    """Fails in one of the ways that are findings."""
    match fault:
        case "error":
            raise ZeroDivisionError
        case "hang":
            time.sleep(3600)
        case "crash":
            os.abort()
        case "memory":
            bytearray(2 * MEMORY)
        case "canary":
            (folder.parent / CANARY).unlink()


def reserve_little() -> None:
    """Lets the processes started from now on share two heaps between all threads.

    glibc reserves 64 MiB of addresses for a heap of each thread, of which it uses little: on many
    cores that alone is more than the bound.
    """
    os.environ["MALLOC_ARENA_MAX"] = "2"


def bound_memory() -> None:
    """Bounds the process' address space, where the system can."""
    try:
        import resource

        import psutil
    except ImportError:  # Windows
        return
    limit = psutil.Process().memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def make_samples_in_process(folder: Path, kinds: list[str]) -> None:
    """Makes the good inputs in a process of its own, so that this one stays small."""
    process = multiprocessing.get_context("spawn").Process(target=make, args=(folder, kinds))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the good inputs could not be made")


def make(folder: Path, kinds: list[str]) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    import fuzz_targets

    fuzz_targets.make_samples(folder, kinds)


def keep_input(folder: Path, finding: dict[str, Any], keep: Path | None) -> None:
    """Copies the input of a finding, with what went wrong beside it."""
    if keep is None:
        return
    place = keep / f"{finding['case']:06}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place, symlinks=True)
    (place / "finding.txt").write_text(f"{finding['kind']}: {finding['what']}\n")


if __name__ == "__main__":
    sys.exit(main())
