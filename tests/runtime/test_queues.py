"""The frame queue: its bounds, its errors and its end."""

import threading
import time

import numpy as np
import pytest

from facetrack.media.frame_image import Frame, RgbImage
from facetrack.runtime.queues import FrameQueue, QueueClosed


def image(grey):
    return RgbImage(np.full((72, 128, 3), grey, np.uint8))


def test_the_queue_is_bounded_by_frames_and_by_bytes():
    for queue in (FrameQueue(2, 10**9), FrameQueue(100, 2 * image(0).nbytes)):
        done = threading.Event()

        def produce(queue=queue, done=done):
            for i in range(3):
                queue.put(Frame(i, 0.0, image(0)))
            done.set()
            queue.finish()

        thread = threading.Thread(target=produce)
        thread.start()
        while len(queue) < 2:
            time.sleep(0.01)
        assert not done.wait(0.2)
        assert len(queue) == 2
        assert [f.index for f in queue.take(1)] == [0]
        assert done.wait(60)
        assert [f.index for f in queue.take(8)] == [1, 2]
        assert queue.take(8) == []
        thread.join()


def test_a_queue_full_of_bytes_gives_what_it_has():
    """The consumer asks for more frames than bytes allow; neither waits for the other for ever."""
    queue = FrameQueue(100, int(2.5 * image(0).nbytes))
    producer = threading.Thread(
        target=lambda: ([queue.put(Frame(i, 0.0, image(i))) for i in range(5)], queue.finish())
    )
    producer.start()
    taken = [frame.index for _ in range(4) for frame in queue.take(16)]
    producer.join(5)
    assert taken == [0, 1, 2, 3, 4] and not producer.is_alive()


def test_the_producers_error_comes_after_its_frames():
    queue = FrameQueue(8, 10**9)
    queue.put(Frame(0, 0.0, image(0)))
    queue.finish(OSError("disk gone"))
    assert len(queue.take(8)) == 1
    with pytest.raises(OSError, match="disk gone"):
        queue.take(8)


def test_closing_wakes_a_waiting_producer():
    queue = FrameQueue(1, 10**9)
    queue.put(Frame(0, 0.0, image(0)))
    woken = threading.Event()

    def produce():
        try:
            queue.put(Frame(1, 0.0, image(0)))
        except QueueClosed:
            woken.set()

    thread = threading.Thread(target=produce)
    thread.start()
    queue.close()
    thread.join(5)
    assert woken.is_set()
