"""The report, as a real browser shows it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from fractions import Fraction
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

import facetrack
from facetrack.cli.people import list_people, merge_people, undo_edit
from facetrack.identity.editing import merged
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.uncertain import likely_pairs, mending_command, uncertain
from facetrack.report.charts import POINTS, run_charts, thinned
from facetrack.report.review import review_strip
from facetrack.runtime.metrics import COLUMNS, as_row, as_table
from facetrack.timeline import Analysis, Interval, Person, Shot, Split, Track

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK = {"width": 1200, "height": 800}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("there is no Chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def show(browser):
    """Opens a report; when the test is over, nothing was wrong and nothing came from elsewhere."""
    contexts, said, asked = [], [], []

    def opened(report, viewport=DESK, **wishes):
        context = browser.new_context(viewport=viewport, **wishes)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="module")
def folder(demo_analysis, tmp_path_factory) -> Path:
    """The demo's analysis beside its film, with clips of the second person."""
    film = demo_analysis.info.path
    out = tmp_path_factory.mktemp("report") / "a & b" / "sample"
    out.mkdir(parents=True)
    beside = shutil.copy(film, out.parent)
    analysis = replace(demo_analysis, info=replace(demo_analysis.info, path=Path(beside)))
    analysis.save(out)
    facetrack.render(analysis, out, facetrack.ClipSettings(target=("2",), size=128))
    facetrack.write_report(out)
    return out


def until(page, condition):
    """Waits for what the page's own policy does not let Playwright wait for."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {condition}")


def playing(page):
    """Address and time of the video, once it plays."""
    video = "document.querySelector('video')"
    until(page, f"{video}.currentTime > 0 && !{video}.seeking")
    return page.evaluate(f"[{video}.getAttribute('src'), {video}.currentTime]")


def test_the_timeline_is_that_of_the_file_and_needs_no_network(folder, show):
    page = show(folder / "report.html")
    timeline = json.loads((folder / "timeline.json").read_text())
    spans = page.eval_on_selector_all(
        ".span",
        "all => all.map(s => [+s.closest('.row').querySelector('.lane').dataset.person, "
        "+s.dataset.startFrame, +s.dataset.endFrame])",
    )
    wanted = [[i["person"], i["start_frame"], i["end_frame"]] for i in timeline["intervals"]]
    assert sorted(spans) == sorted(wanted)
    lane, span = (page.locator(s).first.bounding_box() for s in (".person .lane", ".span"))
    length = timeline["source"]["duration_s"]
    first = next(i for i in timeline["intervals"] if i["person"] == 1)
    assert span["width"] / lane["width"] == pytest.approx(first["end_s"] / length, abs=0.003)
    assert page.locator(".shot").count() == len(timeline["shots"])
    assert page.locator(".card").count() == len(timeline["people"])
    assert page.locator(".stages tbody tr").count() == len(timeline["performance"]["stages"])
    assert page.locator(".card").first.inner_text().startswith("Person 1")
    images = "all => all.every(image => image.naturalWidth > 0)"
    assert page.eval_on_selector_all("img", images)
    assert not list(folder.glob(".*.partial"))


def test_a_span_plays_its_moment_of_the_video_or_of_the_clip(folder, show):
    page = show(folder / "report.html")
    last = page.locator("[data-person='2'] .span").last
    moment = [i for i in Analysis.load(folder).intervals if i.person == 2][-1]
    last.click()
    url, at = playing(page)
    assert url == "../sample.mp4"
    assert moment.start_s <= at < moment.end_s
    page.get_by_role("button", name="Clip", exact=True).click()
    url, at = playing(page)
    assert url == "clips/person_02/person_02_0002.mp4"
    assert 0 < at < moment.end_s - moment.start_s
    page.keyboard.press("Escape")
    assert page.locator("#player").is_hidden()
    assert last.evaluate("span => span === document.activeElement")


def test_the_timeline_by_the_keyboard_and_the_wheel(folder, show):
    page = show(folder / "report.html")
    page.locator("#zoom-all").focus()
    page.keyboard.press("Tab")
    here = "document.activeElement.ariaLabel"
    assert page.evaluate(here) == "Person 1, 0:00:00.0 to 0:00:05.0; play"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(here).startswith("Person 1, 0:00:15.4")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(here).startswith("Person 2, 0:00:13.4")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("#playing").inner_text() == "Person 2, 0:00:05.0 to 0:00:07.4"
    assert 5.0 <= playing(page)[1] < 7.4
    page.keyboard.press("Escape")
    width = "document.querySelector('.lane').offsetWidth"
    whole = page.evaluate(width)
    page.keyboard.press("+")
    assert page.evaluate(width) == pytest.approx(2 * whole, abs=2)
    page.keyboard.press("0")
    page.locator("#zoom-in").click()
    page.locator("#zoom-in").click()
    assert page.evaluate(width) == pytest.approx(4 * whole, abs=2)
    page.locator("#zoom-all").click()
    page.locator(".times .lane").hover()
    page.mouse.wheel(0, -300)
    until(page, f"{width} > {1.5 * whole}")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_dark_is_dark(folder, show):
    page = show(folder / "report.html", PHONE, color_scheme="dark")
    page.locator(".span").first.click()
    playing(page)
    page.locator("details").click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, paper[4:-1].split(","))) < 60


def test_names_are_text(demo_analysis, tmp_path, show):
    name = "</script><script>window.ran=1</script>"
    film = tmp_path / "<img src=x onerror=window.ran=1>$name\udcff.mp4"
    first = replace(demo_analysis.people[0], name=name)
    hostile = replace(
        demo_analysis,
        info=replace(demo_analysis.info, path=film),
        people=[first, *demo_analysis.people[1:]],
        warnings=["<b>"],
    )
    hostile.save(tmp_path / "out")
    page = show(facetrack.write_report(tmp_path / "out"))
    assert page.evaluate("window.ran") is None
    assert page.locator("h1").inner_text() == film.name.replace("\udcff", "?")
    assert page.locator(".who").nth(2).inner_text().strip() == f"{name} (1)"
    page.locator(".span").first.click()
    assert "Neither the video nor a clip" in page.locator("#said").inner_text()


def test_what_the_browser_cannot_play_it_says(demo_analysis, tmp_path, show):
    film = tmp_path / "sample.mp4"
    film.write_bytes(b"no video")
    replace(demo_analysis, info=replace(demo_analysis.info, path=film)).save(tmp_path / "out")
    page = show(facetrack.write_report(tmp_path / "out"))
    page.locator(".span").first.click()
    page.wait_for_function("document.getElementById('said').textContent")
    assert (
        page.locator("#said").inner_text().startswith("This browser cannot play sample.mp4 (h264)")
    )


def test_doubtful_tracks_come_with_the_command_that_mends_them(demo_analysis, tmp_path, show):
    out = tmp_path / "two of one"
    merged(demo_analysis, 2, [6]).save(out)
    page = show(facetrack.write_report(out))
    doubts = page.locator(".doubt")
    assert 1 <= doubts.count() <= 2  # the woman looks different in her second scene
    assert page.eval_on_selector_all(".doubt img", "all => all.every(i => i.naturalWidth > 0)")
    commands = page.locator(".doubt code").all_inner_texts()
    assert commands[0].endswith(" 2 --track 6")  # the greatest doubt
    command = commands[0]
    subprocess.run([sys.executable, "-m", *shlex.split(command)], check=True, capture_output=True)
    page.reload()
    assert page.locator(".card").count() == len(Analysis.load(out).people) == 7


def turned_to(vector, towards, cosine):
    """A vector of length one that has this cosine with ``towards``."""
    apart = vector - (vector @ towards) * towards
    apart /= np.linalg.norm(apart)
    return (cosine * towards + np.sqrt(1 - cosine**2) * apart).astype(np.float32)


def test_people_who_may_be_one_come_with_the_command_unless_they_were_seen_together(demo_analysis):
    even = even_cosine(demo_analysis)
    left_out = (8, 9)  # one track a person
    alike = replace(
        demo_analysis,
        tracks=[t for t in demo_analysis.tracks if t.id not in left_out],
        faces=demo_analysis.faces.filter(~np.isin(demo_analysis.faces["track"], left_out)),
        embeddings={t: e for t, e in demo_analysis.embeddings.items() if t not in left_out},
    )
    assert uncertain(alike) == []  # nobody of these seven is like another
    with_her = alike.embeddings | {
        2: turned_to(alike.embeddings[2], alike.embeddings[1], even),
        4: turned_to(alike.embeddings[4], alike.embeddings[3], even),  # of one photo: never one
    }
    alike = replace(alike, embeddings=with_her)
    (entry,) = uncertain(alike)
    assert (entry.kind, entry.people, entry.tracks) == ("same", [1, 2], [])
    # A half for the pair alone; beside nobody the odds are one to one.
    assert entry.probability == pytest.approx(0.5, abs=0.05)
    strip = review_strip(alike, PeopleSimilarity(alike), Path("/a b"))
    assert "<code>facetrack people merge &#x27;/a b&#x27; 1 2</code>" in strip
    two_names = [replace(p, name=f"Name {p.id}") if p.id < 3 else p for p in alike.people]
    assert uncertain(replace(alike, people=two_names)) == []


def even_cosine(analysis):
    """At which tracks 1 and 2 are as likely one person as two."""
    similarity = PeopleSimilarity(analysis)
    calibration = analysis.recognizer.calibration
    one, two = (similarity.embeddings.evidence.pick(np.array([i])) for i in (0, 1))
    cosines = np.linspace(0, 1, 1001)
    odds = [float(np.squeeze(calibration.log_odds(np.array([[c]]), one, two))) for c in cosines]
    return float(cosines[np.abs(odds).argmin()])


def test_who_is_a_little_like_everybody_is_not_listed_with_everybody():
    odds = np.full((30, 30), 1e-4)
    odds[0] = odds[:, 0] = 0.5  # a blurred face: a third, for each pair alone
    odds[1, 2] = odds[2, 1] = 0.5
    np.fill_diagonal(odds, 0)
    ((one, other, probability),) = likely_pairs(odds)
    assert (one, other) == (1, 2)
    assert probability == pytest.approx(0.5 / (1 + 0.5 + 0.5), abs=0.01)


def test_of_dark_faces_that_are_all_a_little_alike_the_best_pair_alone_is_listed():
    dark = np.array(
        [[0, 0.1, 0.3, 0.06], [0.1, 0, 0.6, 0.1], [0.3, 0.6, 0, 0.12], [0.06, 0.1, 0.12, 0]]
    )
    assert [(one, other) for one, other, _ in likely_pairs(dark)] == [(0, 2), (1, 2)]
    dark[0, 2] = dark[2, 0] = 0.25
    assert [(one, other) for one, other, _ in likely_pairs(dark)] == [(1, 2)]
    assert likely_pairs(np.zeros((0, 0))) == []


def test_a_split_that_is_plain_is_no_doubt(demo_analysis, tmp_path):
    """Its parts are a woman and a man: nobody need look at it, and no command to merge them is
    given."""
    split = replace(demo_analysis, splits=[Split(1, 2, 130), Split(1, 9, 400)])
    assert [e for e in uncertain(split) if e.kind == "same"] == []
    strip = review_strip(split, PeopleSimilarity(split), tmp_path)
    assert "One track that was split" not in strip


def test_what_is_uncertain_is_stored_and_is_of_the_last_edit(demo_analysis, tmp_path, capsys):
    demo_analysis.save(tmp_path)
    merge_people(tmp_path, 2, [6])
    said = capsys.readouterr().out
    assert f"facetrack people split {tmp_path} 2 --track 6" in said
    stored = json.loads((tmp_path / "timeline.json").read_text())["uncertain"]
    first = stored[0]
    assert first["probability"] < 0.1
    assert (first["kind"], first["people"], first["tracks"]) == ("different", [2], [6])
    list_people(tmp_path, json=True)
    assert json.loads(capsys.readouterr().out)["uncertain"] == stored
    undo_edit(tmp_path)
    before = [asdict(entry) for entry in demo_analysis.uncertain]
    assert json.loads((tmp_path / "timeline.json").read_text())["uncertain"] == before


def test_all_tracks_of_a_second_person_are_one_entry(demo_analysis):
    """Of whom there is more is the person; the other one's tracks come with one command."""
    his = next(t for t in demo_analysis.tracks if t.id == 2)
    her = next(t for t in demo_analysis.tracks if t.id == 1)
    tracks = [replace(his, id=n, person=1) for n in (1, 2, 3)] + [
        replace(her, id=n) for n in (4, 5)
    ]
    vectors = {n: demo_analysis.embeddings[2 if n < 4 else 1] for n in range(1, 6)}
    both = replace(demo_analysis, tracks=tracks, embeddings=vectors)
    (entry,) = uncertain(both)
    assert (entry.kind, entry.people, entry.tracks) == ("different", [1], [4, 5])
    assert mending_command(entry, "out") == "facetrack people split out 1 --track 4 --track 5"


def test_a_video_of_nobody_has_a_page_too(demo_analysis, tmp_path, show):
    replace(
        demo_analysis,
        people=[],
        tracks=[],
        intervals=[],
        faces=demo_analysis.faces.slice(0, 0),
        embeddings={},
        thumbnails={},
        metrics=as_table([]),
    ).save(tmp_path)
    page = show(facetrack.write_report(tmp_path))
    assert "Nobody was found" in page.locator("#people").inner_text()
    assert page.locator(".tick").count() > 1


def test_a_long_video_of_many_people_opens(demo_analysis, tmp_path, show):
    out = tmp_path / "long"
    long_one(demo_analysis).save(out)
    report = facetrack.write_report(out)
    assert report.stat().st_size < 4_000_000
    page = show(report)
    assert page.locator(".span").count() == 10_000
    assert page.locator(".tick").last.inner_text() >= "2:45:00"


def long_one(analysis):
    """Three hours, 200 people on screen fifty times each, a cut every five seconds."""
    hours, fps, people, times = 3, 25, 200, 50
    frames = hours * 3600 * fps
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(people, analysis.recognizer.dim)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    jpeg = analysis.thumbnails[1]
    intervals = [
        Interval(p, a, a + 50 + p, a / fps, (a + 50 + p) / fps)
        for p in range(1, people + 1)
        for a in range(p * 20, frames - 300, frames // times)
    ]
    return replace(
        analysis,
        info=replace(analysis.info, frame_count=frames, fps=Fraction(fps), duration_s=frames / fps),
        people=[
            Person(p, f"Person {p}", 1, 1.0, 0.0, 1.0, f"people/person_{p:02}.jpg")
            for p in range(1, people + 1)
        ],
        tracks=[Track(p, p, 0, 1) for p in range(1, people + 1)],
        intervals=sorted(intervals, key=lambda i: (i.start_frame, i.person)),
        shots=[Shot(a, min(a + 125, frames)) for a in range(0, frames, 125)],
        dropped=[],
        faces=analysis.faces.slice(0, 0),
        frame_times=np.arange(frames) / fps,
        embeddings=dict(enumerate(directions, 1)),
        thumbnails=dict.fromkeys(range(1, people + 1), jpeg),
        metrics=as_table([(i / 10, *range(1, len(COLUMNS))) for i in range(6000)]),
    )


def test_lines_are_thinned_evenly_and_without_what_is_not_known():
    seconds = np.arange(10 * POINTS) / 10
    x, y = thinned(seconds, np.where(seconds < 1, np.nan, 2 * seconds))
    assert len(x) == POINTS
    np.testing.assert_allclose(y, 2 * x)
    assert x[0] >= 1


def test_a_run_on_a_card_has_the_cards_lines():
    samples = as_table(
        as_row({
            "seconds": i / 10, "frames": i, "cpu_percent": 8.0, "rss_bytes": 2**30,
            "gpu_percent": 50.0 + 5 * i, "gpu_decoder_percent": 30.0, "gpu_memory_bytes": 3 * 2**30,
        })
        for i in range(9)
    )  # fmt: skip
    drawn = re.sub("<[^>]*>", "", unescape(run_charts(samples)))
    assert "GPU: mean 70, most 90 %" in drawn
    assert "GPU's decoder: mean 30, most 30 %" in drawn
    assert "GPU, everybody: mean 3,072, most 3,072 MiB" in drawn
    assert run_charts(samples).count("<polyline") == 5
