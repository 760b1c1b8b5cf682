"""Saves a new analysis of a video over an older one, and keeps what users did to the older one.

The new result, with the edits done on it again, is prepared beside the old one and takes its place
in one switch. Each edit is a step that can be undone; below them, a step brings the old result
back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from facetrack.core.errors import InputError
from facetrack.core.folder_lock import locked
from facetrack.core.limits import limits
from facetrack.core.parquet import read_table
from facetrack.core.received_files import json_of, read_given
from facetrack.identity.carried_edits import PeopleState, edited_again
from facetrack.identity.track_matching import are_same_tracks, matched_tracks
from facetrack.identity.uncertain import uncertain
from facetrack.timeline import Analysis
from facetrack.timeline.checksums import facts_of, read_checksums
from facetrack.timeline.folder import TIMELINE_FILE, write_folder
from facetrack.timeline.history import History

RUN_AGAIN = "run again"
"""Name of the step that brings the result before back."""
BY_HAND = "changes by hand"
EARLIER = "earlier edits"
SAME_TIME = 0.5
"""Share of a track that must lie in the time of a forgotten one whose faces are erased, to be taken
for it."""


@dataclass(frozen=True)
class Kept:
    """What became of the edits."""

    again: list[str]
    """Names of the edits that were done again."""
    problems: list[str]
    """One line for each thing that could not be done again."""


@dataclass(frozen=True)
class _Edit:
    """One edit of the old result."""

    what: str
    before: PeopleState
    after: PeopleState


def save_again(analysis: Analysis, folder: Path) -> Kept:
    """Saves an analysis; the edits of an earlier one of its video are done on it again.

    Args:
        analysis: the new one.
        folder: of the video; it may hold no analysis yet.

    Raises:
        OSError: when a file cannot be written; the old result is as it was.
        OutputError: when another process is at work in the folder.
    """
    with locked(folder):
        history = History(folder)
        history.settle()
        if not (folder / TIMELINE_FILE).exists():
            analysis.save(folder)
            return Kept([], [])
        try:
            old = Analysis.load(folder)
            edits = _edits_of(folder, history)
        except (InputError, OSError, ValueError, LookupError, TypeError) as error:
            history.renew(RUN_AGAIN, lambda new: write_folder(analysis, new), keep=True)
            return Kept([], [f"the edits of the result before cannot be read ({error})"])
        start = edits[0].before if edits else _state(folder / TIMELINE_FILE)
        again = _Again(analysis, old, history, start)
        changed = old.info.fingerprint not in (None, analysis.info.fingerprint)
        was_edited = bool(edits) or again.starts_edited
        history.renew(RUN_AGAIN, lambda new: again.write(new, edits), keep=was_edited or changed)
        return Kept(again.done, again.problems)


class _Again:
    """Does edits again in a folder that is being prepared."""

    def __init__(
        self, analysis: Analysis, old: Analysis, history: History, start: PeopleState
    ) -> None:
        self._analysis, self._old, self._history, self._start = analysis, old, history, start
        self._same = are_same_tracks(analysis, old)
        self._by_hand = not history.edits() and _was_changed(old)
        self.done: list[str] = []
        self.problems: list[str] = []

    @property
    def starts_edited(self) -> bool:
        """Whether somebody edited the old result in ways that are no step any more."""
        names = any(name is not None for name in self._start.names.values())
        return bool(self._start.next_person or self._start.forgotten or names or self._by_hand)

    def write(self, new: Path, edits: list[_Edit]) -> None:
        """Writes the new result and its steps."""
        faces = read_table(self._history.file_before_edits("faces.parquet"))
        old_of = matched_tracks(self._analysis, self._old, faces)
        analysis = self._analysis
        if self.starts_edited:
            analysis = self._with_start(analysis, old_of)
        write_folder(analysis, new)
        steps = History(new)
        for edit in edits:
            edited, problems = edited_again(analysis, edit.before, edit.after, old_of)
            if edit.what == BY_HAND:
                edited = self._with_intervals(edited)
            self._note(edit.what, problems)
            if edited != analysis:
                analysis = replace(edited, uncertain=uncertain(edited))
                steps.change(edit.what, partial(write_folder, analysis))

    def _note(self, what: str, problems: list[str]) -> None:
        self.problems += [f"{what!r} no longer fits: {problem}" for problem in problems]
        if not problems:
            self.done.append(what)

    def _with_start(self, analysis: Analysis, old_of: Mapping[int, int]) -> Analysis:
        """With what was done before the first step: names, forgotten people, and where the tracks
        are the same ones, who is who."""
        start = self._start
        regrouped = bool(start.next_person) or self._by_hand
        if self._same and regrouped:
            before = PeopleState.of(analysis.to_dict())
        else:
            if regrouped and start.next_person:
                self.problems.append(
                    f"{EARLIER} of who is who can no longer be undone, and no longer fit: "
                    "the tracks are others"
                )
            before = replace(start, names=dict.fromkeys(start.names), forgotten={})
        erased = self._taken_for_forgotten(analysis, old_of)
        edited, problems = edited_again(analysis, before, start, {**old_of, **erased})
        if self._by_hand:
            edited = self._with_intervals(edited)
        self._note(EARLIER, problems)
        return replace(edited, uncertain=uncertain(edited))

    def _taken_for_forgotten(self, analysis: Analysis, old_of: Mapping[int, int]) -> dict[int, int]:
        """Tracks that are of nobody who was known, at the time of somebody forgotten for good."""
        found: dict[int, int] = {}
        for track in analysis.tracks:
            if track.id in old_of:
                continue
            for forgotten, (first, last) in self._start.forgotten.items():
                both = min(last, track.last_frame) - max(first, track.first_frame) + 1
                if both >= SAME_TIME * (track.last_frame + 1 - track.first_frame):
                    found[track.id] = forgotten
        return found

    def _with_intervals(self, analysis: Analysis) -> Analysis:
        """With the intervals of the old result, where who is who is the same in both."""
        now, then = ({t.id: t.person for t in one.tracks} for one in (analysis, self._old))
        if not self._same or now != then:
            return analysis
        return replace(analysis, intervals=self._old.intervals)


def _edits_of(folder: Path, history: History) -> list[_Edit]:
    """The steps, and between and after them what was changed by hand."""
    found: list[_Edit] = []
    state: PeopleState | None = None
    for edit in history.edits():
        before, after = _state(edit.before), _state(edit.after)
        if state is not None and before != state:
            found.append(_Edit(BY_HAND, state, before))
        found.append(_Edit(edit.what, before, after))
        state = after
    now = _state(folder / TIMELINE_FILE)
    if state is not None and now != state:
        found.append(_Edit(BY_HAND, state, now))
    return found


def _state(timeline: Path) -> PeopleState:
    return PeopleState.of(json_of(read_given(timeline, limits().text_bytes)))


def _was_changed(old: Analysis) -> bool:
    """Whether ``timeline.json`` is not as facetrack wrote it; False where that is not known."""
    assert old.folder is not None
    written = read_checksums(old.folder).files.get(TIMELINE_FILE)
    return written is not None and written != facts_of(old.folder / TIMELINE_FILE)
