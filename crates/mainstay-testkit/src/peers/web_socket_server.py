# Sends back what it gets, and does what some messages ask for. Words: a port, and a certificate with its key for TLS.
import asyncio
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def answer(socket):
    async for message in socket:
        if message == "ping me":
            await asyncio.wait_for(await socket.ping(b"p" * 125), 60)
            await socket.send("there was a pong")
        elif message == "in pieces":
            await socket.send([piece async for piece in socket.recv_streaming()])
        elif message == "close":
            await socket.close(4001, "as it was asked for")
        else:
            await socket.send(message)


async def handle(socket):
    try:
        await answer(socket)
    except ConnectionClosed:
        pass
    print("closed:", socket.close_code, socket.close_reason, flush=True)


async def main(port, *pair):
    context = None
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
    async with serve(handle, "127.0.0.1", int(port), ssl=context, max_size=None, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
