"""Key frames on real clips find what searching every frame finds, whatever the batches."""

from dataclasses import replace

import numpy as np
import pytest

import facetrack
from facetrack.core.boxes import iou_matrix
from facetrack.core.settings import DecodeSettings, DetectionSettings, Settings
from facetrack.runtime.batching import calculate_optimal_batch_size


def both(detector):
    """Settings to search every frame, and key frames."""
    return [
        Settings(detection=DetectionSettings(detector=detector, dense=dense))
        for dense in (True, False)
    ]


BETWEEN = {"mtcnn": {"refined", "interpolated"}, "yunet": {"interpolated"}}
DETECTORS = pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
ALL, TEN_SECONDS = DecodeSettings(), DecodeSettings(duration_s=10.0)


def test_a_gpu_searches_every_frame_by_default():
    assert DetectionSettings(device="cuda").on_every_frame
    assert not DetectionSettings().on_every_frame
    assert not DetectionSettings(device="cuda", dense=False).on_every_frame
    assert DetectionSettings(dense=True).on_every_frame


def boxes(analysis):
    table = analysis.faces
    columns = [table[c].to_numpy() for c in ("x1", "y1", "x2", "y2")]
    return table["frame"].to_numpy(), np.stack(columns, axis=1)


@DETECTORS
def test_a_talking_face_is_followed_between_few_key_frames(pyfeat_data, analysed, detector):
    """Every frame has a row close to that of the search of every frame; few frames are searched."""
    clip = pyfeat_data / "single_face.mp4"
    dense, quick = (analysed(clip, settings) for settings in both(detector))
    (frames, expected), (quick_frames, found) = boxes(dense), boxes(quick)
    assert np.array_equal(frames, quick_frames)
    assert all(iou_matrix(a[None], b[None]) > 0.5 for a, b in zip(expected, found, strict=True))
    assert set(quick.faces["source"].to_pylist()) == {"detected"} | BETWEEN[detector]
    assert quick.performance["key_frames"] < len(frames) / 4
    assert dense.performance["key_frames"] == len(frames)


def matched(frames, found, other_frames, other):
    """Which boxes have one of the others in their frame that overlaps them by half."""
    hits = np.zeros(len(frames), bool)
    for frame in np.unique(frames):
        mine, theirs = np.flatnonzero(frames == frame), np.flatnonzero(other_frames == frame)
        if len(theirs):
            hits[mine] = (iou_matrix(found[mine], other[theirs]) >= 0.5).any(axis=1)
    return hits


def sure(analysis):
    return analysis.faces["score"].to_numpy() >= 0.95


def lasting(analysis):
    """Number of people that are on screen for a second or longer."""
    return sum(person.seconds >= 1.0 for person in analysis.people)


def edges(analysis):
    people = {person.id for person in analysis.people if person.seconds >= 1.0}
    intervals = [i for i in analysis.intervals if i.person in people]
    starts = {(i.start_frame, "start") for i in intervals}
    return starts | {(i.end_frame, "end") for i in intervals}


def assert_as_dense(clips, analysed, detector, decode=ALL, share=0.95):
    """``share``: of the edges of intervals that are the same to a frame."""
    near = wanted = 0
    for clip in clips:
        dense, quick = (analysed(clip, replace(s, decode=decode)) for s in both(detector))
        (frames, expected), (quick_frames, found) = boxes(dense), boxes(quick)
        certain = sure(dense) & (dense.faces["source"].to_numpy(zero_copy_only=False) == "detected")
        recall = matched(frames[certain], expected[certain], quick_frames, found)
        precision = matched(quick_frames[sure(quick)], found[sure(quick)], frames, expected)
        assert recall.sum() >= 0.985 * len(recall), clip.name
        assert precision.sum() >= 0.99 * len(precision), clip.name
        assert abs(lasting(quick) - lasting(dense)) <= 1, clip.name  # one is barely a face
        for frame, kind in edges(dense):
            wanted += 1
            near += any(abs(frame - other) <= 1 and kind == k for other, k in edges(quick))
    assert near >= share * wanted


@DETECTORS
def test_key_frames_find_what_the_dense_cascade_finds(pyfeat_data, analysed, detector):
    """The woman's clip for ten seconds: she speaks, weeps, and covers her face."""
    names = ("face_noface.mov", "noface_face.mov", "single_face.mp4")
    assert_as_dense([pyfeat_data / name for name in names], analysed, detector)
    assert_as_dense([pyfeat_data / "WolfgangLanger_Pexels.mp4"], analysed, detector, TEN_SECONDS)
    assert analysed(pyfeat_data / "no_face.mp4", both(detector)[1]).people == []


@DETECTORS
def test_key_frames_find_crowds_and_concerts_as_the_dense_cascade(shared_media, analysed, detector):
    """In a crowd a few frames decide who is a person: with MTCNN three of 26 edges differ."""
    assert_as_dense(sorted(shared_media.glob("*.mp4")), analysed, detector, share=0.85)


def assert_same_however_batched(clip, detector, analysed):
    """A shorter queue gives other batches and the same rows."""
    settings = both(detector)[1]
    first = analysed(clip, settings)
    small = replace(settings, decode=DecodeSettings(queue_frames=5))
    second = facetrack.analyze(clip, small)
    assert first.performance["batch_sizes"] != second.performance["batch_sizes"]
    assert first.faces.equals(second.faces)
    assert first.embeddings.keys() == second.embeddings.keys()
    for track, embedding in first.embeddings.items():
        assert np.array_equal(embedding, second.embeddings[track])


@DETECTORS
def test_batches_do_not_change_a_bit_of_the_result(pyfeat_data, analysed, detector):
    assert_same_however_batched(pyfeat_data / "single_face.mp4", detector, analysed)


@DETECTORS
def test_batches_do_not_change_a_crowd(shared_media, analysed, detector):
    """In this clip faces are carried over from key frame to key frame, also across batches."""
    assert_same_however_batched(shared_media / "crowd_1080p.mp4", detector, analysed)


def test_batches_follow_the_queue_and_the_memory():
    assert calculate_optimal_batch_size(0, 0, 2**30) == 16
    assert calculate_optimal_batch_size(128, 1000, 2**30) == 128
    assert calculate_optimal_batch_size(512, 1000, 2**30) == 512
    assert calculate_optimal_batch_size(9999, 1000, 2**30) == 512
    assert calculate_optimal_batch_size(512, 6_220_800, 2**30) == 32  # 1080p in 1 GiB
