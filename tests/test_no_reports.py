"""Nothing is reported to the makers of a library, and no process is forked for it."""

import subprocess
import sys

PROGRAM = """
import sys
forked = []
sys.addaudithook(lambda event, _: event == "os.fork" and forked.append(event))
import facetrack
facetrack.open_engine(facetrack.DetectionSettings(), facetrack.IdentitySettings())
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
assert not forked
"""


def test_openvino_reports_nothing():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
