#!/usr/bin/env python3
"""Sends and receives messages through nym-client. Needs nothing but Python 3.

  first_message.py URL self                 write to yourself
  first_message.py URL send ADDRESS TEXT    write to somebody
  first_message.py URL ask ADDRESS TEXT     ask without saying who asks, and wait for the answer
  first_message.py URL listen [COUNT]       show what arrives, and answer what can be answered

URL is what "nym-client run" prints, such as ws://127.0.0.1:1977.
"""

import base64
import hashlib
import json
import os
import socket
import struct
import sys
from urllib.parse import urlsplit


class WebSocket:
    """As much of a WebSocket (RFC 6455) as this needs: texts and bytes, unencrypted."""

    def __init__(self, url, protocol=None):
        at = urlsplit(url)
        asked = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock = socket.create_connection((at.hostname, at.port or 80))
        self.file = self.sock.makefile("rb")
        self.sock.sendall(
            f"GET {at.path or '/'}?{at.query} HTTP/1.1\r\nHost: {at.netloc}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n{asked}\r\n".encode()
        )
        status = self.file.readline().decode().strip()
        headers = {}
        while line := self.file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if headers.get("sec-websocket-accept") != base64.b64encode(proof).decode():
            raise ConnectionError(f"no WebSocket there: {status}")

    def send(self, data, opcode=1):
        """Sends one frame: its length in 7, 16 or 64 bits, a mask, the data masked."""
        if len(data) < 126:
            length = struct.pack("!B", 128 | len(data))
        elif len(data) < 1 << 16:
            length = struct.pack("!BH", 128 | 126, len(data))
        else:
            length = struct.pack("!BQ", 128 | 127, len(data))
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.sock.sendall(bytes([128 | opcode]) + length + mask + masked)

    def receive(self, kind=1):
        """Waits for the next text or, of kind 2, for the next bytes."""
        while True:
            opcode, length = struct.unpack("!BB", self.exactly(2))
            if length == 126:
                (length,) = struct.unpack("!H", self.exactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self.exactly(8))
            data = self.exactly(length)
            if opcode == 128 | kind:
                return data
            if opcode == 128 | 9:  # a ping
                self.send(data, 10)
            elif opcode == 128 | 8:
                raise ConnectionError("nym-client has closed the connection")

    def exactly(self, n):
        data = self.file.read(n)
        if len(data) < n:
            raise ConnectionError("the connection has ended")
        return data


class Nym:
    """A client of the mixnet, by way of nym-client."""

    def __init__(self, url):
        # The protocol says that messages should be JSON before we ask anything.
        self.ws = WebSocket(url, "nym.text")
        self.arrived = []

    def ask(self, type, **more):
        self.ws.send(json.dumps({"type": type, **more}).encode())

    def next(self, *types):
        """Waits for a response of these types; messages that come before it are kept."""
        while True:
            response = json.loads(self.ws.receive())
            if response["type"] in types:
                return response
            if response["type"] == "error":
                sys.exit("nym-client says: " + response["message"])
            if response["type"] == "received":
                self.arrived.append(response)

    def address(self):
        self.ask("selfAddress")
        return self.next("selfAddress")["address"]

    def send(self, to, text):
        # With an id, nym-client says "ok" when the message is on its way.
        self.ask("send", recipient=to, message=text, id=1)
        self.next("ok")

    def ask_somebody(self, to, text):
        # The message carries ten reply SURBs: what an answer needs, in place of our address.
        self.ask("sendAnonymous", recipient=to, message=text, replySurbs=10, id=2)
        self.next("ok")

    def answer(self, tag, text):
        self.ask("reply", senderTag=tag, message=text, id=3)
        self.next("ok")

    def message(self):
        """Waits for the next message."""
        return self.arrived.pop(0) if self.arrived else self.next("received")


def main(url, command, *rest):
    nym = Nym(url)
    if command == "self":
        address = nym.address()
        print("my address:", address)
        nym.send(address, "hello, myself")
        print("received:", nym.message()["message"])
    elif command == "send":
        nym.send(*rest)
        print("sent:", rest[1])
    elif command == "ask":
        nym.ask_somebody(*rest)
        print("received:", nym.message()["message"])
    elif command == "listen":
        print("my address:", nym.address(), flush=True)
        left = int(rest[0]) if rest else -1
        while left != 0:
            message = nym.message()
            print("received:", message["message"], flush=True)
            if message["senderTag"]:
                nym.answer(message["senderTag"], "an answer to: " + message["message"])
            left -= 1


if __name__ == "__main__":
    counts = {"self": [0], "send": [2], "ask": [2], "listen": [0, 1]}
    if len(sys.argv) < 3 or len(sys.argv) - 3 not in counts.get(sys.argv[2], []):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except OSError as err:
        sys.exit(f"{err}: does nym-client run there?")
    except KeyboardInterrupt:
        pass
