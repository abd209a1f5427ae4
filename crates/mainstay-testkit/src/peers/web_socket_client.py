# Sends messages of many kinds and compares what comes back. Words: a URL, and the authority of its certificate for TLS.
import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20, 5 << 20]
WITHIN = 60


def text(size):
    return ("Grüße, " * (size // 9 + 1)).encode()[:size].decode(errors="ignore").ljust(1 if size else 0)


async def got(socket, expect):
    message = await asyncio.wait_for(socket.recv(), WITHIN)
    assert type(message) is type(expect) and message == expect, (type(expect), len(expect), len(message))


async def play(socket):
    for size in SIZES:
        for message in [text(size), os.urandom(size)]:
            await socket.send(message)
            await got(socket, message)

    pieces = [os.urandom(1 + 7 * at) for at in range(50)]
    await socket.send("in pieces")
    await socket.send(pieces)
    came = [piece async for piece in socket.recv_streaming()]
    assert [piece for piece in came if piece] == pieces, [len(piece) for piece in came]

    # As much as neither side holds by itself, both ways at once.
    async def send_all():
        for at in range(200):
            await socket.send(bytes([at]) * 65536)

    async def take_all():
        for at in range(200):
            await got(socket, bytes([at]) * 65536)

    await asyncio.gather(send_all(), take_all())

    await asyncio.wait_for(await socket.ping(b"p" * 125), WITHIN)
    await socket.send("ping me")
    await got(socket, "there was a pong")


async def main(url, *ca):
    context = ssl.create_default_context(cafile=ca[0]) if ca else None
    for compression in [None, "deflate"]:
        how = dict(ssl=context, compression=compression, max_size=None, ping_interval=None, proxy=None, open_timeout=60)
        async with connect(url, **how) as socket:
            await play(socket)
            await socket.close(4001, "it is enough")
            assert socket.close_code == 4001, socket.close_code
        async with connect(url, **how) as socket:
            await socket.send("close")
            try:
                message = await asyncio.wait_for(socket.recv(), WITHIN)
                raise AssertionError(f"not closed: {message!r}")
            except ConnectionClosed as closed:
                assert closed.rcvd.code == 4001 and closed.rcvd.reason == "as it was asked for", closed


asyncio.run(main(*sys.argv[1:]))
