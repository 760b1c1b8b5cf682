"""Crops that enlarge a face much are said in one line, and left out of a data set."""

import json
from dataclasses import replace

import numpy as np
import pytest

import facetrack
from facetrack.clips.plan.clip import enlargement
from facetrack.core.settings import ClipSettings
from made.clip_data import panel_of


def test_the_largest_panel_counts_and_a_moment_does_not():
    usual = panel_of(10, (100, 100, 128, 128), (0, 0, 256, 256))
    crops = np.tile([100.0, 100, 128, 128], (10, 1))
    crops[3, 2:] = 16
    moment = replace(usual, crops=crops)
    far = panel_of(10, (100, 100, 64, 64), (256, 0, 256, 256))
    assert enlargement((usual,)) == enlargement((moment,)) == 2
    assert enlargement((usual, far)) == 4


@pytest.mark.parametrize(("size", "most"), [(128, 3), (4096, 3), (4096, 40)])
def test_much_is_said_once(demo_analysis, size, most):
    settings = ClipSettings(target=("all",), size=size, enlargement=float(most))
    plan = facetrack.plan(demo_analysis, settings)
    times = [enlargement(clip.panels) for clip in plan.clips]
    many = sum(t > most for t in times)
    assert (many > 1) is (size == 4096 and most == 3)
    if not many:
        assert plan.warnings == []
        return
    (line,) = plan.warnings
    assert f"{many} clips enlarge faces more than 3 times" in line
    assert f"{max(times):.1f} times" in line and "--size" in line


def test_drawn_frames_are_not_enlarged(demo_analysis):
    settings = ClipSettings(target=("all",), size=4096, debug_overlay=True)
    assert facetrack.plan(demo_analysis, settings).warnings == []


def test_a_data_set_leaves_them_out_with_the_reason(demo_analysis, tmp_path):
    usual = ClipSettings(preset="talking-head")
    kept = facetrack.plan(demo_analysis, usual)
    large = replace(usual, size=2048)
    plan = facetrack.plan(demo_analysis, large)
    left = [one for one in plan.rejected if one.reason == "enlarged"]
    assert kept.clips and not plan.clips and plan.warnings == []
    assert len(left) == len(kept.clips)
    assert all("times, 3 at most" in one.detail and one.track for one in left)
    facetrack.render(demo_analysis, tmp_path, large)
    lines = (tmp_path / "clips/left_out.jsonl").read_text().splitlines()
    assert "enlarged" in {json.loads(line)["reason"] for line in lines}
    asked = facetrack.plan(demo_analysis, replace(large, enlargement=99.0))
    assert len(asked.clips) == len(kept.clips)
