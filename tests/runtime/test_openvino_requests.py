"""Networks on OpenVINO: order, several callers, what a network leaves behind, and no memory."""

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
import psutil
import pytest
from openvino import opset13 as ops

from facetrack.runtime.openvino_requests import Requests

LEAVES_AT_ONCE = """
import numpy as np
from facetrack import Settings, open_engine
engine = open_engine(Settings().detection, Settings().identity)
engine.embedder.embed(np.zeros((150, 112, 112, 3), np.uint8))
"""
SHORT_OF_MEMORY = """
import resource, sys
import numpy as np, psutil
from facetrack import Settings, open_engine
from facetrack.core.errors import ResourceError
engine = open_engine(Settings().detection, Settings().identity)
crops = np.zeros((20_000, 112, 112, 3), np.uint8)
left = psutil.Process().memory_info().vms + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (left, left))
try:
    engine.embedder.embed(crops)
except ResourceError as error:
    print(error)
"""


def doubled():
    """A network that doubles ``(n, 3)``."""
    x = ops.parameter([-1, 3], np.float32)
    return Requests(ov.Model([ops.multiply(x, np.float32(2))], [x], "doubled"), "f32")


def test_outputs_come_in_the_order_of_the_inputs():
    jobs = [[np.full((2, 3), i, np.float32)] for i in range(50)]
    found = doubled().run(jobs)
    assert [float(outputs[0][0, 0]) for outputs in found] == [2.0 * i for i in range(50)]


def test_several_threads_get_their_own_outputs():
    network = doubled()

    def ask(number):
        rows = np.full((100, 3), number, np.float32)
        return all((network.batch(rows)[0] == 2 * number).all() for _ in range(30))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(8)))


def test_a_network_that_nobody_holds_takes_its_threads_along():
    doubled().batch(np.zeros((8, 3), np.float32))  # what the library itself keeps
    before = psutil.Process().num_threads()
    for _ in range(5):
        network = doubled()
        network.batch(np.zeros((8, 3), np.float32))
        gone = weakref.ref(network)
        del network
        assert gone() is None  # without a collection: it is in no cycle
    gc.collect()
    assert psutil.Process().num_threads() <= before


def test_a_wrong_shape_is_raised_and_the_network_goes_on():
    network = doubled()
    with pytest.raises(RuntimeError):
        network.run([[np.zeros((2, 3), np.float32)], [np.zeros((2, 4), np.float32)]])
    assert (network.batch(np.ones((4, 3), np.float32))[0] == 2).all()


def test_a_process_with_networks_ends_cleanly():
    """Threads of OpenVINO that called Python aborted 1 in 4 of such processes."""
    for _ in range(12):
        done = subprocess.run([sys.executable, "-c", LEAVES_AT_ONCE], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("mib", [1, 20])
def test_no_memory_for_a_request_is_an_error_not_a_wait(mib):
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(mib)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not enough memory" in done.stdout
    assert len(done.stdout.splitlines()) == 1
