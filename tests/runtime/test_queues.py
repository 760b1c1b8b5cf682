"""The frame queue and the call queue: their bounds, their errors and their end."""

import threading
import time

import numpy as np
import pytest

from facetrack.media.frame_image import Frame, RgbImage
from facetrack.runtime.queues import CallQueue, FrameQueue, QueueClosed


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


def test_calls_are_made_in_order_on_one_thread():
    made = []
    with CallQueue("calls", 2) as calls:
        for i in range(20):
            calls.call(lambda i=i: made.append((i, threading.current_thread())))
        calls.finish()
        assert [i for i, _ in made] == list(range(20))
        assert len({thread for _, thread in made}) == 1
        assert threading.current_thread() not in {thread for _, thread in made}


def test_a_full_queue_of_calls_makes_the_caller_wait():
    go_on = threading.Event()
    queued: list[int] = []

    def queue_four(calls):
        for i in range(4):
            calls.call(go_on.wait)
            queued.append(i)

    with CallQueue("calls", 2) as calls:
        thread = threading.Thread(target=queue_four, args=(calls,))
        thread.start()
        thread.join(0.2)
        assert queued in ([], [0], [0, 1])
        go_on.set()
        thread.join(60)
        assert queued == [0, 1, 2, 3]
        calls.finish()


def fail():
    raise ValueError("a call's error")


def test_an_error_of_a_call_comes_out_later():
    with CallQueue("calls", 1) as calls, pytest.raises(ValueError, match="a call's error"):
        calls.call(fail)
        calls.call(int)
    with CallQueue("calls", 4) as calls:
        calls.call(fail)
        with pytest.raises(ValueError, match="a call's error"):
            calls.finish()


def test_closing_drops_the_calls_that_wait():
    begun, go_on = threading.Event(), threading.Event()
    made = []

    def first():
        begun.set()
        go_on.wait(60)
        made.append(1)

    calls = CallQueue("calls", 3)
    calls.call(first)
    calls.call(made.append, 2)
    assert begun.wait(60)
    closing = threading.Thread(target=calls.close)
    closing.start()
    while not calls._waiting[1].cancelled():
        time.sleep(0.01)
    go_on.set()
    closing.join(60)
    assert made == [1]
