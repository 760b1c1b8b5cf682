"""Track embeddings: two people in one track are split, and a blurred face joins no two people."""

import io
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageFilter

import facetrack
from facetrack.core.settings import IdentitySettings, Settings
from facetrack.recognition.portrait import iris_contrasts

SIDE = 360
ADA, GRACE = "0-f15-hao-ph.jpg", "45-m7-di-ph.jpg"


def photo(folder, name, zoom=0.0):
    """The photo as a square of ``SIDE``; ``zoom``: share of its width that is cut off."""
    image = Image.open(folder / name).convert("RGB")
    edge = zoom * image.width / 2
    box = (edge, edge, image.width - edge, image.width - edge)
    return image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)


def film_of(frames, path):
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", 25, options={"crf": "18", "preset": "veryfast"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
    return path


def moving(folder, name, frames):
    return [photo(folder, name, 0.002 * i) for i in range(frames)]


def dissolved(before, after, frames):
    """A dissolve from one shot to another, so that there is no cut."""
    kept, first = before[:-frames], before[-frames:]
    shares = [(i + 1) / (frames + 1) for i in range(frames)]
    mixed = [Image.blend(a, b, s) for a, b, s in zip(first, after, shares, strict=False)]
    return kept + mixed + after[frames:]


@pytest.mark.parametrize("recognizer", ["sface", "facenet"])
def test_a_track_that_changes_to_another_person_is_split(pyfeat_data, tmp_path, recognizer):
    first, second = moving(pyfeat_data, ADA, 60), moving(pyfeat_data, GRACE, 60)
    film = film_of(dissolved(first, second, 8), tmp_path / "film.mp4")
    settings = Settings(identity=IdentitySettings(recognizer=recognizer))
    analysis = facetrack.analyze(film, settings)
    assert len(analysis.shots) == 1
    assert len(analysis.people) == 2
    (split,) = analysis.splits
    assert 48 <= split.frame <= 64
    ends = sorted((t.first_frame, t.last_frame) for t in analysis.tracks)
    assert ends == [(0, split.frame - 1), (split.frame, 111)]
    assert {t.id for t in analysis.tracks} == {split.track, split.into}
    shown = {(i.start_frame, i.end_frame) for i in analysis.intervals}
    assert shown == {(0, split.frame), (split.frame, 112)}
    analysis.save(tmp_path / "out")
    assert facetrack.Analysis.load(tmp_path / "out") == analysis


def test_one_person_who_turns_is_not_split(pyfeat_data, analysed):
    """47 seconds of talk in which the head turns and nods."""
    analysis = analysed(pyfeat_data / "WolfgangLanger_Pexels.mp4")
    assert analysis.splits == []
    assert len(analysis.people) == 1


def test_a_blurred_face_between_two_people_joins_nobody_to_anybody(pyfeat_data, tmp_path):
    """The mean of both faces, small and out of focus, five times: it is similar to both."""
    first, second = moving(pyfeat_data, ADA, 30), moving(pyfeat_data, GRACE, 30)
    between = [
        Image.blend(a, b, 0.5).resize((60, 60)).filter(ImageFilter.GaussianBlur(2.0))
        for a, b in zip(first, second, strict=True)
    ]
    black = [Image.new("RGB", (SIDE, SIDE))] * 5
    parts = [first, second]
    for _ in range(5):
        parts.append([Image.new("RGB", (SIDE, SIDE), (90, 90, 90)) for _ in between])
        for ground, image in zip(parts[-1], between, strict=True):
            ground.paste(image, (150, 150))
    film = film_of([f for part in parts for f in (*part, *black)], tmp_path / "film.mp4")
    analysis = facetrack.analyze(film)
    person = {t.first_frame: t.person for t in analysis.tracks if t.person}
    assert person[0] != person[35], "two people became one"
    assert len({t.first_frame // 35 for t in analysis.tracks}) == 7  # the blurred face was detected


def test_the_thumbnail_of_a_person_has_open_eyes_and_no_hand_in_front(demo_analysis):
    """In the demo's film the woman weeps in the first scene and smiles in the last one."""
    smiling, weeping = [], []
    with demo_analysis.face_crops(person=1, size=112, align=True, every=5) as crops:
        for crop in crops:
            (smiling if crop.frame >= 385 else weeping).append(crop.image)
    eyes, crying = (np.median(iris_contrasts(np.stack(some))) for some in (smiling, weeping))
    assert eyes > 1.3 * crying
    shown = np.asarray(Image.open(io.BytesIO(demo_analysis.thumbnails[1])).resize((56, 56)))
    with demo_analysis.face_crops(person=1, size=160, margin=0.1) as crops:
        distance = {
            crop.frame: np.abs(
                np.asarray(Image.fromarray(crop.image).resize((56, 56))).astype(int) - shown
            ).mean()
            for crop in crops
        }
    assert min(distance, key=distance.get) >= 385


def test_fewer_embeddings_give_the_same_people(shared_media, pyfeat_data, tmp_path):
    from made.media import join_with_hard_cuts

    clips = [shared_media / f"{name}.mp4" for name in ("man_a", "woman_c", "man_b", "man_a")]
    film = tmp_path / "joined.mp4"
    join_with_hard_cuts(clips, film)
    people = {}
    for faces in (8, 7, 6, 5):
        identity = replace(IdentitySettings(), faces_per_track=faces)
        analysis = facetrack.analyze(film, Settings(identity=identity))
        people[faces] = [(p.id, p.frames) for p in analysis.people]
    assert len(people[8]) == 3
    assert people[8] == people[7] == people[6] == people[5]
