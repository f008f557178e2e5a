"""Standard input in lines, however its blocks fall, and output that the loop does not wait for."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from proton.cli.pipes import Input, Output


def lines_of(blocks):
    """The lists of lines that `Input` makes of what is written to a pipe, block by block."""

    class Blocks:
        def __init__(self):
            self._left = [*blocks, b""]

        def read(self, size):
            return self._left.pop(0)

    async def read():
        source = Input(Blocks())
        found = []
        while True:
            some = await source.lines()
            if not some:
                source.close()
                assert await source.lines() == []
                return found
            found.append(some)

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([], []),
        ([b"a\nb\n"], [[b"a", b"b"]]),
        ([b"a\nb"], [[b"a"], [b"b"]]),
        ([b"a", b"b", b"c\nd", b"\n"], [[b"abc"], [b"d"]]),
        ([b"\n\n"], [[b"", b""]]),
        ([b"a\r\nb\r\n"], [[b"a", b"b"]]),
        ([b"a\r", b"\nb"], [[b"a"], [b"b"]]),
    ],
)
def test_lines_are_whole_whatever_the_blocks(blocks, lines):
    assert lines_of(blocks) == lines


def test_the_loop_goes_on_while_a_pipe_is_full():
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as reader, open(writing, "wb", buffering=0) as writer:

        async def write():
            output = Output(writer)
            task = asyncio.ensure_future(output.write(bytes(1_000_000)))
            turned = threading.Event()
            asyncio.get_running_loop().call_soon(turned.set)
            size = 0
            while size < 1_000_000:
                await asyncio.sleep(0)
                size += len(reader.read(65536))
            await task
            output.close()
            assert turned.is_set()

        asyncio.run(asyncio.wait_for(write(), 30))


def test_a_pipe_without_a_reader_is_an_error_of_its_own():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as writer:

        async def write():
            output = Output(writer)
            try:
                await output.write(b"x")
            finally:
                output.close()

        with pytest.raises(BrokenPipeError):
            asyncio.run(write())


def test_a_write_that_is_cancelled_says_how_much_is_written():
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as reader, open(writing, "wb", buffering=0) as writer:

        async def write():
            output = Output(writer)
            task = asyncio.ensure_future(output.write(bytes(1_000_000)))
            while not output.written:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            size, read = output.written, 0
            while read < size:
                read += len(reader.read(65536))
            output.close()
            os.set_blocking(reading, False)
            assert (read, reader.read(1)) == (size, None)  # not a byte more

        asyncio.run(asyncio.wait_for(write(), 30))
