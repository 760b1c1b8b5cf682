"""Where the times of a file begin anew or jump: the film goes on there without a gap.

Recordings that were joined byte by byte, and streams that were interrupted, begin their times anew.
Times are made to go on as in the ffmpeg program's output: at the packet that jumps, an offset is
added to it and to all that follow.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from av.packet import Packet

from facetrack.core.types import Join

BACK_S = 0.1
"""Seconds by which a packet is decoded earlier than the one before, from which times jump."""
GAP_S = 10.0
"""Seconds by which a packet is late, from which times jump, in formats whose times may jump."""
LONGEST_FRAME_S = 3600.0
"""The same in all other formats, whose frames may be shown for long: more is taken for damage."""
LARGEST = 2**62
"""Units of the time base beyond which a time is damage."""
NEAR_S = 0.5
"""Seconds by which the sound may be off where it should go on, before it is of the next part."""


class SteadyTimes:
    """Shifts the times of a stream's packets, given in the order of the file, so that they go on.

    ``joins`` says where and by how much.
    """

    def __init__(self, time_base: Fraction, origin: int, fps: Fraction, may_jump: bool) -> None:
        """Makes the clock of one pass through the packets.

        Args:
            time_base: seconds of one unit of the packets' times.
            origin: the stream's start in these units.
            fps: frames a second, for packets that do not say how long they last.
            may_jump: whether the container is of a kind whose times may begin anew anywhere.
        """
        self.joins: list[Join] = []
        self._time_base, self._origin = time_base, origin
        self._usual = max(1, round(min(1 / fps, Fraction(LONGEST_FRAME_S)) / time_base))
        gap_s = GAP_S if may_jump else LONGEST_FRAME_S
        self._gap, self._back = Fraction(gap_s) / time_base, Fraction(BACK_S) / time_base
        self._longest = Fraction(LONGEST_FRAME_S) / time_base
        self._shift = 0
        self._last = self._next = origin
        self._begun = False

    def put(self, packet: "Packet[Any]") -> None:
        """Shifts the packet's times in place."""
        dts = packet.dts
        if dts is not None:
            dts += self._shift
            ahead = dts - self._next
            gap = self._gap if self._begun else self._longest
            back = self._last - self._back if self._begun else self._origin - self._longest
            if ahead > gap or dts < back:
                self._shift -= ahead
                dts = self._next
                at_s = float((dts - self._origin) * self._time_base)
                self.joins.append(Join(at_s, float(self._shift * self._time_base)))
            lasts = packet.duration or 0
            self._last, self._begun = dts, True
            self._next = dts + (lasts if 0 < lasts <= self._longest else self._usual)
        if self._shift:
            packet.dts = dts
            if packet.pts is not None:
                pts = packet.pts + self._shift
                packet.pts = pts if abs(pts) < LARGEST else None


class SoundJoins:
    """Follows the joins of a film in its sound, whose packets may jump a little before or after.

    The sound goes on where it would without the jump: of the shift that holds and the next one, the
    one is taken with which it does.
    """

    def __init__(self, joins: Sequence[Join]) -> None:
        self._shifts_s = [0.0, *(join.shift_s for join in joins)]
        self._part = 0
        self._next_s: float | None = None

    def film_s(self, file_s: float, lasts_s: float) -> float:
        """The time of the film at which samples are heard, given in the order of the file.

        Args:
            file_s: their time in the file in seconds.
            lasts_s: how long they last in seconds.
        """
        film_s = file_s + self._shifts_s[self._part]
        while (
            self._next_s is not None
            and self._part + 1 < len(self._shifts_s)
            and abs(film_s - self._next_s) > NEAR_S
        ):
            other_s = file_s + self._shifts_s[self._part + 1]
            if abs(other_s - self._next_s) >= abs(film_s - self._next_s):
                break
            self._part += 1
            film_s = other_s
        self._next_s = film_s + lasts_s
        return film_s
