"""What the page says in words and tables: the video in short, stages, settings, device."""

from typing import Any

from facetrack.report.text import clock, escaped, number, percent, rows
from facetrack.report.timeline import span_s
from facetrack.timeline import Analysis


def summary(analysis: Analysis) -> str:
    """The video and what came of it, in a list of facts."""
    info, performance = analysis.info, analysis.performance
    start_s, end_s = span_s(analysis)
    facts = {
        "Video": f"{info.width}x{info.height}, {info.video_codec}, {_fps(analysis)} frames/s, "
        + ("with sound" if info.has_audio else "no sound"),
        "Length": f"{clock(end_s - start_s)}, {info.frame_count:,} frames"
        + (f", from {clock(start_s)} on" if analysis.first_frame else ""),
        "People": f"{len(analysis.people)}, in {len(analysis.intervals):,} stretches",
        "Tracks": f"{len(analysis.tracks):,}, {len(analysis.dropped):,} of nobody",
        "Shots": f"{len(analysis.shots):,}",
        "Faces": f"{len(analysis.faces):,}",
    }
    if "frames_per_second" in performance:
        real_time = performance["frames_per_second"] / float(info.fps)
        facts["Analysed in"] = (
            f"{number(performance['seconds'])} s: "
            f"{number(performance['frames_per_second'])} frames/s, {number(real_time)} x real time"
        )
    listed = "".join(f"<div><dt>{k}</dt><dd>{escaped(v)}</dd></div>" for k, v in facts.items())
    notes = [*analysis.warnings]
    if analysis.damaged and not notes:
        notes = ["a part of the video could not be read"]
    warned = "".join(f"<li>{escaped(note)}</li>" for note in notes)
    return f'<dl class="facts">{listed}</dl>' + (
        f'<ul class="warnings">{warned}</ul>' if warned else ""
    )


def stages(performance: dict[str, Any]) -> str:
    """A row a stage: seconds, share of the run, and a bar of it."""
    found = performance.get("stages", {})
    if not found:
        return "<p>The run's stages were not timed.</p>"
    lines = [
        f'<tr><th scope="row">{escaped(name.replace("_", " "))}</th><td>{stage["seconds"]:.2f} s'
        f"</td><td>{percent(stage['share'])}</td>"
        f'<td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * min(stage["share"], 1.0):.1f}" height="8"/></svg></td></tr>'
        for name, stage in found.items()
    ]
    return (
        '<table class="stages"><thead><tr><th scope="col">stage</th><th scope="col">time</th>'
        '<th scope="col">of the run</th><td></td></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
        "<p>Stages run side by side, so that their shares add up to more than the whole; one that "
        "waits tells that another is too slow.</p>"
    )


def settings(analysis: Analysis) -> str:
    """A table for each group of settings."""
    groups = {name: of for name, of in analysis.settings.items() if isinstance(of, dict)}
    return "".join(
        f"<div><h4>{escaped(name)}</h4>{rows({k: _value(v) for k, v in of.items()})}</div>"
        for name, of in groups.items()
    )


def device(performance: dict[str, Any]) -> str:
    """Where the run was made, and with which versions."""
    told = {
        "engine": performance.get("engine"),
        "decoder": performance.get("decoder"),
        **performance.get("machine", {}),
        **performance.get("versions", {}),
    }
    known: dict[str, object] = {name: value for name, value in told.items() if value is not None}
    return rows(known)


def _fps(analysis: Analysis) -> str:
    return f"{float(analysis.info.fps):.3f}".rstrip("0").rstrip(".")


def _value(value: object) -> object:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value).lower() if isinstance(value, bool) else value
