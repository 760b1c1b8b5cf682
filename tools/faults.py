"""Makes each call that changes a file fail, one after the other, and checks what is left.

    python tools/faults.py [--faults ENOSPC EIO ...] [--works run render ...] [--every 1]

A library that is loaded before all others (``fault_shim.c``, which needs a C compiler, on Linux)
counts the calls of a command, and of the processes that it starts, that open a file for writing
(``EMFILE``: or for reading), write, cut, rename, link or remove one, or make a folder. The command
is run once for each of them and each fault: that call gives the error, or the process is killed
there (``KILL``). Of a disk that is full the calls after it that need room fail too. ``CLOCK``: the
clock of the day is moved by a day, to and fro, each time it is asked for.

After each run: the exit code fits, one line or two say why, every file is as it was or as it should
be, no incomplete file is left, and the same command again gives what an undisturbed one gives.

Prints a line of JSON for each command and fault; ends with 1 when anything is wrong.
"""

import argparse
import ctypes
import errno
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from disturbed import (
    CANARY,
    REPORT,
    RESULT,
    WORKS,
    Scenes,
    State,
    differences,
    environment,
    is_done,
    problems_between,
    problems_of_result,
    remains,
    state_of,
)

SHIM = Path(__file__).with_name("fault_shim.c")
KILL, CLOCK = "KILL", "CLOCK"
NUMBERS = {
    name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EROFS", "EACCES", "EMFILE", "ENOMEM")
}
LASTING = {"ENOSPC"}
SHORT = {"EMFILE", "ENOMEM"}
"""Faults of the process and not of the disk; their exit codes are those of a lack of memory."""
CODES = {True: {1, 3, 5}, False: {5}}
LONGEST_S = 90
MOST_LINES = 4
DAY_S = 86_400


class Shared(ctypes.Structure):
    """``struct state`` of the shim."""

    _fields_ = (
        ("count", ctypes.c_long), ("fail_at", ctypes.c_long), ("error", ctypes.c_long),
        ("lasting", ctypes.c_long), ("jump_s", ctypes.c_long), ("ticks", ctypes.c_long),
        ("failed", ctypes.c_char * 32),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", nargs="+", choices=[*NUMBERS, KILL, CLOCK],
                        default=[*NUMBERS, KILL, CLOCK])  # fmt: skip
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--every", type=int, default=1, help="try one call of so many")
    parser.add_argument("--first", type=int, default=1, help="the first call to try")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as root:
        scenes, server = Scenes(Path(root)), Server(Path(root))
        try:
            for work in given.works:
                test = FaultTest(scenes, server, work)
                for fault in given.faults:
                    wrong += test.walk(fault, given.first, given.every)
        finally:
            server.end()
    return 1 if wrong else 0


class Server:
    """A process with the shim and all modules, which runs each command in a fork of its own."""

    def __init__(self, root: Path) -> None:
        library, state = root / "shim.so", root / "shared"
        compiler = os.environ.get("CC", "cc")
        subprocess.run(
            [compiler, "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True
        )
        state.write_bytes(bytes(ctypes.sizeof(Shared)))
        with state.open("r+b") as file:
            self.shared = Shared.from_buffer(mmap.mmap(file.fileno(), 0))
        self.under = root / "disturbed"
        self.under.mkdir()
        self._said = root / "said"
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            env=environment(
                LD_PRELOAD=str(library), FAULT_STATE=str(state), FAULT_UNDER=str(self.under)
            ),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, arguments: list[str], place: Path, **faults: int) -> tuple[int, str]:
        """Exit code, and what was said on standard error; ``faults``: fields of ``Shared``."""
        for name in ("count", "fail_at", "error", "lasting", "jump_s", "ticks"):
            setattr(self.shared, name, faults.get(name, 0))
        self.shared.failed = b""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([arguments, str(place), str(self._said)]), file=self._process.stdin)
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self._said.read_text()

    def end(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """The process of ``Server``: a line for each command, and its exit code as the answer."""

    for line in sys.stdin:
        arguments, place, said = json.loads(line)
        child = os.fork()
        if not child:
            os.setsid()
            run_here(arguments, place, said)
        print(waited_for(child), flush=True)


def waited_for(child: int) -> int:
    """Exit code; minus the signal that ended it, or -1000 where it had to be ended."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1000


def run_here(arguments: list[str], place: str, said: str) -> None:
    os.chdir(place)
    for number, target in ((0, os.devnull), (1, os.devnull), (2, said)):
        file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["facetrack", *arguments]
    code: Any = 70
    try:
        from facetrack.cli import main

        main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stderr.flush()
        os._exit(code or 0)


class FaultTest:
    """One command, and all faults of it."""

    def __init__(self, scenes: Scenes, server: Server, work: str) -> None:
        self._scenes, self._server, self._work = scenes, server, work
        self._before, self._after = state_of(scenes.before(work)), state_of(scenes.after(work))
        self._tree = tree_of(scenes.before(work))
        place = self._copy()
        code, said = server.run(scenes.arguments(work), place)
        assert code == 0, said
        assert not self._differences(state_of(place))
        self._calls = server.shared.count

    def walk(self, fault: str, first: int, every: int) -> int:
        """Tries the fault at each call; gives the number of problems, after printing them."""
        begun, wrong, ended = time.monotonic(), 0, 0
        if fault == "EMFILE":  # files that are read count too
            self._server.run(self._scenes.arguments(self._work), self._copy(), error=errno.EMFILE)
            calls = self._server.shared.count
        else:
            calls = self._calls
        moments = [0] if fault == CLOCK else range(first, calls + 1, every)
        for moment in moments:
            code, problems = self._once(fault, moment)
            ended += code != 0
            called = self._server.shared.failed.decode()
            for problem in problems:
                where = f"{self._work}: {fault} at call {moment} of {calls} ({called})"
                print(f"{where}: {problem}", file=sys.stderr, flush=True)
            wrong += len(problems)
        about = {"work": self._work, "fault": fault, "calls": calls, "tried": len(moments),
                 "ended": ended, "problems": wrong}  # fmt: skip
        print(json.dumps({**about, "seconds": round(time.monotonic() - begun, 1)}), flush=True)
        return wrong

    def _copy(self) -> Path:
        place = self._server.under / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self._scenes.before(self._work), place)
        return place

    def _once(self, fault: str, moment: int) -> tuple[int, list[str]]:
        place = self._copy()
        code, said = self._server.run(
            self._scenes.arguments(self._work), place, fail_at=moment,
            error=NUMBERS.get(fault, 0), lasting=fault in LASTING,
            jump_s=DAY_S if fault == CLOCK else 0,
        )  # fmt: skip
        called = self._server.shared.failed
        if code == 0:
            wrong = [f"it succeeded, but {what}" for what in self._differences(state_of(place))]
            return code, wrong + problems_of_result(place / RESULT)
        wrong = [] if fault == KILL else problems_of_line(code, said, fault)
        wrong += problems_between(place, self._before, self._after)
        if fault != KILL and not called.startswith((b"unlink", b"rmdir")):
            wrong += [f"{name} is left" for name in remains(place)]
        if tree_of(place) != self._tree and not wrong:
            failed = self._server.shared.failed
            wrong += [f"again: {what}" for what in self._again(place)]
            self._server.shared.failed = failed
        return code, wrong

    def _again(self, place: Path) -> list[str]:
        work = self._work
        if not WORKS[work].again and is_done(state_of(place), self._after):
            work = "report"
            if not (place / REPORT).parent.exists():
                return []
        code, said = self._server.run(self._scenes.arguments(work), place)
        if code:
            return [f"exit code {code}: {said}"]
        wrong = self._differences(state_of(place)) + problems_of_result(place / RESULT)
        return wrong + [f"{name} is left" for name in remains(place)]

    def _differences(self, now: State) -> list[str]:
        return differences(now, self._after, not self._work.startswith("run"))


def problems_of_line(code: int, said: str, fault: str) -> list[str]:
    """Whether the exit code fits the fault, and a few lines say why."""
    wrong = []
    if code not in CODES[fault in SHORT]:
        wrong.append(f"exit code {code}: {said[-400:]!r}")
    lines = said.splitlines()
    if "Traceback" in said or "fault of facetrack" in said or not 0 < len(lines) <= MOST_LINES:
        wrong.append(f"said {said[-400:]!r}")
    return wrong


def tree_of(place: Path) -> dict[str, bytes]:
    """Every file but the lock and the user's, byte for byte."""
    files = (p for p in place.rglob("*") if p.is_file() and p.name != "lock")
    return {
        name.as_posix(): path.read_bytes()
        for path in files if (name := path.relative_to(place)).parts[0] != CANARY
    }  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        sys.exit(main())
