"""Ends commands at random moments by a signal, and checks what they leave.

    python tools/kill_test.py [--times 30] [--signal KILL] [--works run render ...] [--seed 1]

After SIGKILL: every file is as it was or as it should be, ``facetrack verify`` finds nothing that
is lost, no process is left after two seconds, and the same command again gives what an unbroken one
gives. After SIGINT and SIGTERM also: the command has ended by itself within five seconds with 130
or 143 and one line, and no incomplete file is left.

Prints a line of JSON for each command; ends with 1 when anything is wrong.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil

from disturbed import (
    REPORT,
    RESULT,
    WORKS,
    Scenes,
    differences,
    environment,
    is_done,
    problems_between,
    problems_of_result,
    remains,
    state_of,
)

SIGNALS = {"KILL": signal.SIGKILL, "INT": signal.SIGINT, "TERM": signal.SIGTERM}
ORPHANS_S = 2.0
ENDS_S = 5.0
"""Seconds in which a command must have ended after a signal that asks it to."""
MARK = "FACETRACK_KILL_TEST"
"""Variable that tells a command's processes from others."""
STARTED_S = 0.15
"""Before, Python itself starts: it takes a signal in its own way."""
LATEST = 1.2
"""The last moment, in times of an unbroken command: other programs may slow it down."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--signal", choices=SIGNALS, default="KILL")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--once", action="store_true", help="do not run the same command again: only how it ends"
    )
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="kill-test-") as root:
        scenes = Scenes(Path(root))
        for work in given.works:
            test = KillTest(scenes, work, SIGNALS[given.signal], not given.once)
            draw = random.Random(f"{given.seed} {work}")
            begun = time.monotonic()
            for number in range(given.times):
                for problem in test.once(draw, number):
                    print(f"{work}: {problem}", file=sys.stderr, flush=True)
                    wrong += 1
            print(
                json.dumps({
                    "work": work, "signal": given.signal, "times": given.times,
                    "unbroken_s": round(test.seconds, 2), **test.counts,
                    "seconds": round(time.monotonic() - begun, 1),
                }),
                flush=True,
            )  # fmt: skip
    return 1 if wrong else 0


class KillTest:
    """One command that is ended, again and again."""

    def __init__(self, scenes: Scenes, work: str, number: signal.Signals, with_again: bool) -> None:
        self._scenes, self._work, self._number = scenes, work, number
        self._with_again = with_again
        self._before, self._after = state_of(scenes.before(work)), state_of(scenes.after(work))
        self.counts = {"ended": 0, "old": 0, "between": 0, "new": 0, "problems": 0}
        """How many were ended by the signal, and what state they left."""
        place = scenes.copy(work, f"{work}-timed")
        begun = time.monotonic()
        subprocess.run(
            scenes.command(work), cwd=place, env=environment(), check=True, capture_output=True
        )
        self.seconds = time.monotonic() - begun

    def once(self, draw: random.Random, number: int) -> list[str]:
        """Ends the command at one moment; gives what is wrong."""
        place = self._scenes.copy(self._work, f"{self._work}-{number}")
        moment = draw.uniform(STARTED_S, LATEST * self.seconds)
        wrong = self._ended_at(moment, place)
        left = problems_between(place, self._before, self._after)
        now = state_of(place) if not left else {}
        done = is_done(now, self._after)
        state = "new" if done else "old" if now == self._before else "between"
        self.counts[state] += 1
        wrong += left
        if self._with_again:
            wrong += self._again(
                place, self._work if WORKS[self._work].again or not done else "report"
            )
        wrong = [f"{self._number.name} after {moment:.3f} s: {problem}" for problem in wrong]
        self.counts["problems"] += len(wrong)
        return wrong

    def _ended_at(self, moment: float, place: Path) -> list[str]:
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            self._scenes.command(self._work), cwd=place, env=environment(**{MARK: mark}), text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            # A shell starts background jobs deaf to it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        time.sleep(moment)
        was_at_work = process.poll() is None
        process.send_signal(self._number)
        sent = time.monotonic()
        try:
            said = process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return ["it hangs"]
        took, code = time.monotonic() - sent, process.returncode
        wrong = []
        # Where all is done and Python itself ends, it has no handler any more; shells say 130 then.
        if self._number != signal.SIGKILL and code not in (0, 128 + self._number, -self._number):
            wrong.append(f"exit code {code}: {said[-300:]}")
        if code:
            self.counts["ended"] += 1
            if code > 0:
                wrong += self._said(said, took) + [f"{n} is left" for n in remains(place)]
        elif was_at_work and took > ENDS_S:
            wrong.append(f"it went on for {took:.1f} s")
        return wrong + orphans(mark)

    def _said(self, said: str, took: float) -> list[str]:
        lines = [line for line in said.splitlines() if "interrupted" in line]
        wrong = [] if len(lines) == 1 and "Traceback" not in said else [f"said {said[-300:]!r}"]
        return wrong + ([f"ended only after {took:.1f} s"] if took > ENDS_S else [])

    def _again(self, place: Path, work: str) -> list[str]:
        """Runs a command that makes the outcome whole."""
        if work == "report" and not (place / REPORT).parent.exists():
            return []  # there is a gallery alone
        done = subprocess.run(
            self._scenes.command(work), cwd=place, env=environment(), text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return [f"again: exit code {done.returncode}: {done.stderr[-300:]}"]
        now = state_of(place)
        wrong = [
            f"again: {what}" for what in differences(now, self._after, self._work[:3] != "run")
        ]
        wrong += [f"again: {what}" for what in problems_of_result(place / RESULT)]
        return wrong + [f"again: {name} is left" for name in remains(place)]


def orphans(mark: str) -> list[str]:
    """Processes of a command that ended, which are still there after some seconds."""
    theirs = [p for p in psutil.process_iter() if has_mark(p, mark)]
    _, left = psutil.wait_procs(theirs, timeout=ORPHANS_S)
    left = [process for process in left if not has_ended(process)]
    for process in left:
        process.kill()
    return [f"process {process.pid} is left" for process in left]


def has_ended(process: psutil.Process) -> bool:
    """Also of a process that the system has not collected yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.exit(main())
