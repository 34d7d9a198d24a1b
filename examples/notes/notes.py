#!/usr/bin/env python3
"""Keeps notes, and uses services that do, through nym-client. Needs nothing but Python 3.

  notes.py URL serve FILE              keep notes in FILE; prints the address
  notes.py URL put ADDRESS TEXT        prints the note's name, and its key
  notes.py URL get ADDRESS NAME        prints the note
  notes.py URL delete ADDRESS KEY

URL is what "nym-client run" prints, such as ws://127.0.0.1:1977. With --plain in front
of URL a request says who asks: its answer comes to this client's address.
"""

import collections
import hashlib
import json
import os
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "first-message"))
from first_message import WebSocket  # noqa: E402

MAX_TEXT = 64 << 10  # bytes
MAX_DAYS, SOME_DAYS = 30, 7
MAX_NOTES = 10_000
AGAIN = 20  # seconds until the same request is sent once more
PATIENCE = 120  # seconds until there is no answer


def name_of(key):
    """A note's name does not give away its key."""
    return hashlib.sha256(b"nym-notes\n" + bytes.fromhex(key)).hexdigest()[:32]


def is_id(s):
    return isinstance(s, str) and len(s) == 32 and all(c in "0123456789abcdef" for c in s)


class Refused(Exception):
    """What a service says to a request that it does not carry out."""

    def __init__(self, code, about):
        super().__init__(f"{code}: {about}")
        self.code, self.about = code, about


class Store:
    """Keeps notes. SQLite has each on disk before put returns."""

    def __init__(self, path):
        os.close(os.open(path, os.O_CREAT, 0o600))  # for its owner only
        self.db = sqlite3.connect(path)
        self.db.execute("PRAGMA synchronous = FULL")
        # A note that was deleted has no text, until it would have ended: its put may
        # arrive once more, and must not bring it back.
        self.db.execute("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, until INTEGER, hash TEXT, text TEXT)")
        self.db.commit()

    def put(self, key, text, days):
        name, now = name_of(key), int(time.time())
        digest = hashlib.sha256(text.encode()).hexdigest()
        with self.db:
            self.db.execute("DELETE FROM notes WHERE until <= ?", (now,))
            old = self.db.execute("SELECT until, hash, text FROM notes WHERE name = ?", (name,)).fetchone()
            if old and old[1] != digest:
                raise Refused("conflict", "this id was used for another note")
            if old and old[2] is None:
                raise Refused("not-found", "there is no such note, or not any more")
            if old:
                return {"name": name, "until": old[0]}
            if self.db.execute("SELECT count(*) FROM notes").fetchone()[0] >= MAX_NOTES:
                raise Refused("full", "there is no room for more notes now")
            until = now + days * 86400
            self.db.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", (name, until, digest, text))
            return {"name": name, "until": until}

    def get(self, name):
        row = self.db.execute("SELECT text, until FROM notes WHERE name = ? AND until > ? AND text NOT NULL", (name, int(time.time()))).fetchone()
        if not row:
            raise Refused("not-found", "there is no such note, or not any more")
        return {"text": row[0], "until": row[1]}

    def delete(self, key):
        with self.db:
            self.db.execute("UPDATE notes SET text = NULL WHERE name = ?", (name_of(key),))
        return {}


class Pace:
    """So many requests a second of one sender, and of all. Senders are anonymous and
    cost nothing to make, so the bound for all is the one that holds."""

    def __init__(self, each=2, burst=20, everybody=100, senders=4096):
        self.each, self.burst, self.everybody, self.most = each, burst, everybody, senders
        self.senders = collections.OrderedDict()  # those heard last at the end
        self.all = (everybody, time.monotonic())

    def _take(self, tokens, rate, most):
        left, last = tokens
        now = time.monotonic()
        left = min(most, left + (now - last) * rate)
        return left >= 1, (left - 1 if left >= 1 else left, now)

    def everybody_may(self):
        may, self.all = self._take(self.all, self.everybody, self.everybody)
        return may

    def may(self, sender):
        tokens = self.senders.pop(sender, (self.burst, time.monotonic()))
        may, self.senders[sender] = self._take(tokens, self.each, self.burst)
        if len(self.senders) > self.most:
            self.senders.popitem(last=False)
        return may


def check(r):
    """Looks at a request that has an id. What is wrong with it is Refused."""
    bad = lambda about: Refused("bad-request", about)  # noqa: E731
    if r.get("notes") != 1:
        raise bad("this service speaks version 1")
    op = r.get("op")
    fields = {"put": {"text", "days"}, "get": {"name"}, "delete": {"key"}}.get(op) if isinstance(op, str) else None
    if fields is None:
        raise bad("op is put, get or delete")
    if unknown := set(r) - {"notes", "id", "op", "answer"} - fields:
        raise bad("a " + op + " has no " + sorted(unknown)[0])
    if op == "put":
        text, days = r.get("text"), r.setdefault("days", SOME_DAYS)
        try:
            if not isinstance(text, str) or not 1 <= len(text.encode()) <= MAX_TEXT:
                raise bad(f"a text has 1 to {MAX_TEXT} bytes")
        except UnicodeEncodeError:
            raise bad("text is no Unicode") from None
        if type(days) is not int or not 1 <= days <= MAX_DAYS:
            raise bad(f"days is 1 to {MAX_DAYS}")
    elif not is_id(r.get("name" if op == "get" else "key")):
        raise bad("a name and a key have 32 hex digits")


def carry_out(store, r):
    check(r)
    if r["op"] == "put":
        return store.put(r["id"], r["text"], r["days"])
    return store.get(r["name"]) if r["op"] == "get" else store.delete(r["key"])


def answer(store, pace, body, tag):
    """The answer to a message, and how it is sent: None, None if there is nobody to
    answer, or too much to do. Then whoever asked asks again."""
    if not pace.everybody_may():
        return None, None
    try:
        r = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(r, dict) or not is_id(r.get("id")):
        return None, None
    to = r.get("answer")
    if not tag and not isinstance(to, str):
        return None, None
    try:
        if not pace.may(tag or to):
            raise Refused("too-fast", "too many requests; wait a second before the next")
        said = carry_out(store, r)
    except Refused as refused:
        said = {"error": refused.code, "about": refused.about}
    how = {"type": "reply", "senderTag": tag} if tag else {"type": "send", "recipient": to}
    return {"notes": 1, "id": r["id"], **said}, how


def connect(url):
    ws = WebSocket(url, "nym.text")
    ws.sock.settimeout(None)
    return ws


def ask(ws, **request):
    ws.send(json.dumps(request).encode())


def serve(url, path):
    store, pace, wait = Store(path), Pace(), 1
    while True:
        try:
            ws = connect(url)
            ask(ws, type="selfAddress")
            wait = 1
            while True:
                r = json.loads(ws.receive())
                if r["type"] == "selfAddress":
                    print("notes are kept at", r["address"], flush=True)
                # An error is of an answer whose asker is gone. Whoever still is there asks again.
                if r["type"] != "received":
                    continue
                said, how = answer(store, pace, r["message"], r.get("senderTag"))
                if said:
                    ask(ws, message=json.dumps(said), **how)
        except (OSError, ConnectionError) as err:
            # nym-client keeps what arrives meanwhile.
            print(f"{err}: connecting again in {wait} s", file=sys.stderr)
            time.sleep(wait)
            wait = min(2 * wait, 60)


def use(url, plain, service, request):
    """Asks until there is an answer: the same request, with the same id, is carried
    out once."""
    end = time.monotonic() + PATIENCE
    ws = connect(url)
    ask(ws, type="selfAddress")
    while time.monotonic() < end:
        try:
            ws.sock.settimeout(AGAIN)
            while True:
                r = json.loads(ws.receive())
                if r["type"] == "error":
                    sys.exit("nym-client says: " + r["message"])
                if r["type"] == "selfAddress":
                    if plain:
                        request["answer"] = r["address"]
                        ask(ws, type="send", recipient=service, message=json.dumps(request))
                    else:
                        ask(ws, type="sendAnonymous", recipient=service, message=json.dumps(request), replySurbs=10)
                if r["type"] != "received":
                    continue
                try:
                    said = json.loads(r["message"])
                except ValueError:
                    continue
                # Nobody else can know the id. Other messages are for other programs.
                if isinstance(said, dict) and said.get("id") == request["id"]:
                    return said
        except TimeoutError:
            ws = connect(url)  # and what has been read by half is read anew
            ask(ws, type="selfAddress")
    sys.exit("no answer in time: is this the address of a service, and does it run?")


def main(args):
    plain = args[:1] == ["--plain"]
    url, command, *rest = args[plain:]
    if command == "serve":
        return serve(url, *rest)
    request = {"notes": 1, "id": os.urandom(16).hex(), "op": command}
    request[{"put": "text", "get": "name", "delete": "key"}[command]] = rest[1]
    try:
        check(request)
    except Refused as refused:
        sys.exit(refused.about)
    said = use(url, plain, rest[0], request)
    if "error" in said:
        sys.exit(f"{said['error']}: {said.get('about', '')}")
    if command == "put":
        print(f"name {said['name']}\nkey {request['id']}")
    elif command == "get":
        print(said["text"])


if __name__ == "__main__":
    counts = {"serve": 1, "put": 2, "get": 2, "delete": 2}
    given = [a for a in sys.argv[1:] if a != "--plain"]
    if len(given) < 2 or len(given) - 2 != counts.get(given[1]):
        sys.exit(__doc__)
    try:
        main(sys.argv[1:])
    except OSError as err:
        sys.exit(f"{err}: does nym-client run there?")
    except KeyboardInterrupt:
        pass
