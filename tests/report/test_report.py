"""The report, as a real browser shows it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

import facetrack
from facetrack.cli.people import list_people, merge_people, undo_edit
from facetrack.core.errors import InputError
from facetrack.identity.editing import merged
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.uncertain import likely_pairs, mending_command, uncertain
from facetrack.report.charts import POINTS, decimated, run_charts
from facetrack.report.review import review_entries
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
    """Opens a report. Fails a test whose page logs anything or loads anything from elsewhere."""
    contexts, logged, requested = [], [], []

    def opened(report, viewport=DESK, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: logged.append(message.text))
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(report.resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert logged == []
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="module")
def folder(demo_analysis, tmp_path_factory) -> Path:
    """The demo's analysis next to its film, with clips of the second person."""
    film = demo_analysis.info.path
    out = tmp_path_factory.mktemp("report") / "a & b" / "sample"
    out.mkdir(parents=True)
    copied = shutil.copy(film, out.parent)
    analysis = replace(demo_analysis, info=replace(demo_analysis.info, path=Path(copied)))
    analysis.save(out)
    facetrack.render(analysis, out, facetrack.ClipSettings(target=("2",), size=128))
    facetrack.write_report(out)
    return out


def until(page, condition):
    """Waits for a condition. (The page's policy forbids Playwright's own ``wait_for_function``.)"""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {condition}")


def playing(page):
    """The video's address and time, once it plays."""
    video = "document.querySelector('video')"
    until(page, f"{video}.currentTime > 0 && !{video}.seeking")
    return page.evaluate(f"[{video}.getAttribute('src'), {video}.currentTime]")


def test_the_timeline_is_that_of_the_file_and_needs_no_network(folder, show):
    page = show(folder / "report.html")
    timeline = json.loads((folder / "timeline.json").read_text())
    shown = page.eval_on_selector_all(
        ".interval",
        "all => all.map(s => [+s.closest('.row').querySelector('.lane').dataset.person, "
        "+s.dataset.startFrame, +s.dataset.endFrame])",
    )
    wanted = [[i["person"], i["start_frame"], i["end_frame"]] for i in timeline["intervals"]]
    assert sorted(shown) == sorted(wanted)
    lane, interval = (page.locator(s).first.bounding_box() for s in (".person .lane", ".interval"))
    length = timeline["source"]["duration_s"]
    first = next(i for i in timeline["intervals"] if i["person"] == 1)
    assert interval["width"] / lane["width"] == pytest.approx(first["end_s"] / length, abs=0.003)
    assert page.locator(".shot").count() == len(timeline["shots"])
    assert page.locator(".person-panel").count() == len(timeline["people"])
    assert page.locator(".stages tbody tr").count() == len(timeline["performance"]["stages"])
    assert page.locator(".person-panel").first.inner_text().startswith("Person 1")
    images = "all => all.every(image => image.naturalWidth > 0)"
    assert page.eval_on_selector_all("img", images)
    assert not list(folder.glob(".*.partial"))


def test_an_interval_plays_in_the_video_or_in_the_clip(folder, show):
    page = show(folder / "report.html")
    last = page.locator("[data-person='2'] .interval").last
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
    assert last.evaluate("interval => interval === document.activeElement")


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


def test_on_a_phone_nothing_is_wider_than_the_screen_and_dark_mode_is_dark(folder, show):
    page = show(folder / "report.html", PHONE, color_scheme="dark")
    page.locator(".interval").first.click()
    playing(page)
    page.locator("details").click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, paper[4:-1].split(","))) < 60


def test_names_are_text(demo_analysis, tmp_path, show):
    name = """</script>"'><script>window.ran=1</script>"""
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
    assert page.locator(".row-label").nth(2).inner_text().strip() == f"{name} (1)"
    assert page.locator(".person-panel h3").first.inner_text() == f"{name} (1)"
    assert page.locator("#face-1").get_attribute("alt") == f"{name} (1)"
    page.locator(".interval").first.click()
    assert "Neither the video nor a clip" in page.locator("#message").inner_text()


def test_the_page_says_so_when_the_browser_cannot_play_the_video(demo_analysis, tmp_path, show):
    film = tmp_path / "sample.mp4"
    film.write_bytes(b"no video")
    replace(demo_analysis, info=replace(demo_analysis.info, path=film)).save(tmp_path / "out")
    page = show(facetrack.write_report(tmp_path / "out"))
    page.locator(".interval").first.click()
    page.wait_for_function("document.getElementById('message').textContent")
    assert (
        page.locator("#message")
        .inner_text()
        .startswith("This browser cannot play sample.mp4 (h264)")
    )


def test_uncertain_tracks_come_with_the_command_that_corrects_them(demo_analysis, tmp_path, show):
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
    assert page.locator(".person-panel").count() == len(Analysis.load(out).people) == 7


def turned_to(vector, towards, cosine):
    """A unit vector that has this cosine with ``towards``."""
    rest = vector - (vector @ towards) * towards
    rest /= np.linalg.norm(rest)
    return (cosine * towards + np.sqrt(1 - cosine**2) * rest).astype(np.float32)


def test_people_who_may_be_one_come_with_a_command_unless_they_share_a_frame(demo_analysis):
    even = even_cosine(demo_analysis)
    rejected = (8, 9)  # one track per person is left
    similar = replace(
        demo_analysis,
        tracks=[t for t in demo_analysis.tracks if t.id not in rejected],
        faces=demo_analysis.faces.filter(~np.isin(demo_analysis.faces["track"], rejected)),
        embeddings={t: e for t, e in demo_analysis.embeddings.items() if t not in rejected},
    )
    assert uncertain(similar) == []  # no two of these seven are similar
    with_her = similar.embeddings | {
        2: turned_to(similar.embeddings[2], similar.embeddings[1], even),
        4: turned_to(similar.embeddings[4], similar.embeddings[3], even),  # share a photo
    }
    similar = replace(similar, embeddings=with_her)
    (entry,) = uncertain(similar)
    assert (entry.kind, entry.people, entry.tracks) == ("same", [1, 2], [])
    assert entry.probability == pytest.approx(0.5, abs=0.05)
    (shown,) = review_entries(similar, PeopleSimilarity(similar), Path("/a b"))
    assert shown.command == "facetrack people merge '/a b' 1 2"
    two_names = [replace(p, name=f"Name {p.id}") if p.id < 3 else p for p in similar.people]
    assert uncertain(replace(similar, people=two_names)) == []


def even_cosine(analysis):
    """The cosine at which tracks 1 and 2 are as likely one person as two."""
    similarity = PeopleSimilarity(analysis)
    calibration = analysis.recognizer.calibration
    one, two = (similarity.embeddings.evidence.pick(np.array([i])) for i in (0, 1))
    cosines = np.linspace(0, 1, 1001)
    odds = [float(np.squeeze(calibration.log_odds(np.array([[c]]), one, two))) for c in cosines]
    return float(cosines[np.abs(odds).argmin()])


def test_a_face_slightly_similar_to_all_is_not_listed_with_each():
    odds = np.full((30, 30), 1e-4)
    odds[0] = odds[:, 0] = 0.5  # a blurred face: a third for each pair alone
    odds[1, 2] = odds[2, 1] = 0.5
    np.fill_diagonal(odds, 0)
    ((one, other, probability),) = likely_pairs(odds)
    assert (one, other) == (1, 2)
    assert probability == pytest.approx(0.5 / (1 + 0.5 + 0.5), abs=0.01)


def test_of_dark_faces_that_are_all_slightly_similar_only_the_best_pair_is_listed():
    dark = np.array(
        [[0, 0.1, 0.3, 0.06], [0.1, 0, 0.6, 0.1], [0.3, 0.6, 0, 0.12], [0.06, 0.1, 0.12, 0]]
    )
    assert [(one, other) for one, other, _ in likely_pairs(dark)] == [(0, 2), (1, 2)]
    dark[0, 2] = dark[2, 0] = 0.25
    assert [(one, other) for one, other, _ in likely_pairs(dark)] == [(1, 2)]
    assert likely_pairs(np.zeros((0, 0))) == []


def test_a_clear_split_is_not_uncertain(demo_analysis, tmp_path):
    """The parts are a woman and a man: no review and no merge command are needed."""
    split = replace(demo_analysis, splits=[Split(1, 2, 130), Split(1, 9, 400)])
    assert [e for e in uncertain(split) if e.kind == "same"] == []
    entries = review_entries(split, PeopleSimilarity(split), tmp_path)
    assert [e for e in entries if "was split" in e.explanation] == []


def test_uncertain_cases_are_stored_and_follow_the_last_edit(demo_analysis, tmp_path, capsys):
    demo_analysis.save(tmp_path)
    merge_people(tmp_path, 2, [6])
    output = capsys.readouterr().out
    assert f"facetrack people split {tmp_path} 2 --track 6" in output
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
    """The larger part stays the person; one command splits off all tracks of the other."""
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


def test_a_video_without_people_has_a_page_too(demo_analysis, tmp_path, show):
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
    assert page.locator(".interval").count() == 10_000
    assert page.locator(".tick").last.inner_text() >= "2:45:00"


def long_one(analysis):
    """Three hours with 200 people, each on screen 50 times, and a cut every five seconds."""
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


def test_lines_are_decimated_evenly_and_without_missing_values():
    seconds = np.arange(10 * POINTS) / 10
    x, y = decimated(seconds, np.where(seconds < 1, np.nan, 2 * seconds))
    assert len(x) == POINTS
    np.testing.assert_allclose(y, 2 * x)
    assert x[0] >= 1


def test_a_run_on_a_gpu_has_the_gpus_lines():
    samples = as_table(
        as_row({
            "seconds": i / 10, "frames": i, "cpu_percent": 8.0, "rss_bytes": 2**30,
            "gpu_percent": 50.0 + 5 * i, "gpu_decoder_percent": 30.0, "gpu_memory_bytes": 3 * 2**30,
        })
        for i in range(9)
    )  # fmt: skip
    charts = run_charts(samples)
    legend = [line for chart in charts for line in chart.legend]
    assert "GPU: mean 70, max 90 %" in legend
    assert "GPU decoder: mean 30, max 30 %" in legend
    assert "GPU, all processes: mean 3,072, max 3,072 MiB" in legend
    assert sum(chart.svg.count("<polyline") for chart in charts) == len(legend) == 5


@pytest.mark.parametrize(("performance", "said"), [
    ({"stages": {"decode": {"seconds": 1.0, "share": "all"}}}, "stages.decode.share is 'all'"),
    ({"stages": []}, "performance.stages is []; it must be a table"),
    ({"seconds": "long", "frames_per_second": 1.0}, "performance.seconds is 'long'"),
    ({"machine": "fast"}, "performance.machine is 'fast'"),
])  # fmt: skip
def test_facts_of_the_run_of_another_type_are_said(demo_analysis, tmp_path, performance, said):
    replace(demo_analysis, performance=performance).save(tmp_path)
    with pytest.raises(InputError) as error:
        facetrack.report.write_report(tmp_path)
    assert said in str(error.value) and str(tmp_path) in str(error.value)
