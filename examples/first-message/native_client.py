#!/usr/bin/env python3
"""Does what Nym's documentation shows of its native client, and nothing beyond: texts and
files, in JSON and in binary, plain and with reply SURBs, all to itself. It works with
Nym's client and with nym-client. Needs nothing but Python 3.

  native_client.py URL [FILE]

URL is where the client listens, such as ws://127.0.0.1:1977. Without a FILE it sends
some bytes that are no text.
"""

import json
import struct
import sys

from first_message import WebSocket

# The first byte of a request in binary, and of a response.
SEND, SEND_ANONYMOUS, REPLY, SELF_ADDRESS = 0, 1, 2, 3
RECEIVED = 1
SURBS = 20  # with a question: enough for an answer of 16 kB


def text(ws, **request):
    ws.send(json.dumps(request).encode())


def heard(ws, type):
    response = json.loads(ws.receive())
    if response["type"] != type:
        sys.exit(f"got {response}, want {type}")
    return response


def counted(data):
    """Data behind its length."""
    return struct.pack("!Q", len(data)) + data


def heard_bytes(ws):
    """The next message, and the sender tag by which it can be answered, or None."""
    b = ws.receive(2)
    if b[0] != RECEIVED:
        sys.exit(f"got {b!r}, want a message")
    tag, rest = (b[2:18], b[18:]) if b[1] else (None, b[2:])
    (length,) = struct.unpack("!Q", rest[:8])
    if length != len(rest) - 8:
        sys.exit("the length of a message is not that of what follows")
    return rest[8:], tag


def want(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: got {got[:60]!r}, want {expected[:60]!r}")
    print("ok:", what)


def main(url, data):
    ws = WebSocket(url)
    text(ws, type="selfAddress")
    address = heard(ws, "selfAddress")["address"]
    print("my address:", address)

    text(ws, type="send", recipient=address, message="hello, myself")
    want("text", heard(ws, "received")["message"], "hello, myself")

    text(ws, type="sendAnonymous", recipient=address, message="who am I?", replySurbs=SURBS)
    question = heard(ws, "received")
    want("text with reply SURBs", question["message"], "who am I?")
    text(ws, type="reply", senderTag=question["senderTag"], message="somebody")
    want("reply", heard(ws, "received")["message"], "somebody")

    ws.send(bytes([SELF_ADDRESS]), 2)
    recipient = ws.receive(2)[1:]  # the same address in its 96 bytes
    nobody = struct.pack("!Q", 0)  # no connection id
    ws.send(bytes([SEND]) + recipient + nobody + counted(data), 2)
    want("file", heard_bytes(ws)[0], data)

    ws.send(bytes([SEND_ANONYMOUS]) + struct.pack("!I", SURBS) + recipient + nobody + counted(data), 2)
    got, tag = heard_bytes(ws)
    want("file with reply SURBs", got, data)
    ws.send(bytes([REPLY]) + tag + nobody + counted(b"thanks"), 2)
    want("reply in binary", heard_bytes(ws)[0], b"thanks")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        if len(sys.argv) == 3:
            with open(sys.argv[2], "rb") as f:
                content = f.read()
        else:
            content = bytes(range(256)) * 20
        main(sys.argv[1], content)
    except OSError as err:
        sys.exit(str(err))
