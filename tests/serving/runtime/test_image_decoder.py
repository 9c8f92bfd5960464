"""The image decoder limits its threads, its queue and its time."""

import asyncio
import threading

import pytest

from penstock.serving.errors import DeadlineExceededError, InputError, OverloadedError
from penstock.serving.runtime.image_decoder import THREADS, ImageDecoder

SECONDS = 20  # in which a test must have come to its end


def decoding(work, most_waiting=4):
    """Return the result of `work(decoder, held)`; decoding `held.wait` ends when `held` is set."""

    async def run():
        held, pictures = threading.Event(), ImageDecoder(most_waiting)
        try:
            return await asyncio.wait_for(work(pictures, held), SECONDS)
        finally:
            held.set()
            pictures.close()

    return asyncio.run(run())


async def begun(pictures, job, count):
    tasks = [asyncio.create_task(pictures.run(job, SECONDS)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def test_a_full_decoder_queue_rejects_at_once():
    async def work(pictures, held):
        tasks = await begun(pictures, held.wait, THREADS + 4)
        with pytest.raises(OverloadedError, match="4 images are in the queue already") as refused:
            await pictures.run(held.wait, SECONDS)
        held.set()
        return await asyncio.gather(*tasks), refused.value.headers

    assert decoding(work) == ([True] * (THREADS + 4), ((b"retry-after", b"1"),))


def test_slow_decoding_times_out():
    async def work(pictures, held):
        tasks = [pictures.run(held.wait, 0.05) for _ in range(THREADS + 2)]
        return [type(answer) for answer in await asyncio.gather(*tasks, return_exceptions=True)]

    assert decoding(work) == [DeadlineExceededError] * (THREADS + 2)


def test_cancelled_images_leave_the_queue_but_keep_their_thread():
    async def work(pictures, held):
        for task in await begun(pictures, held.wait, THREADS + 4):
            task.cancel()
        await asyncio.sleep(0)
        tasks = await begun(pictures, lambda: "decoded", 4)
        with pytest.raises(OverloadedError):
            await pictures.run(held.wait, SECONDS)
        held.set()
        return await asyncio.gather(*tasks)

    assert decoding(work) == ["decoded"] * 4


def test_decoding_errors_reach_the_client():
    def refuse():
        raise InputError("the image cannot be decoded")

    with pytest.raises(InputError, match="cannot be decoded"):
        decoding(lambda pictures, _: pictures.run(refuse, SECONDS))
