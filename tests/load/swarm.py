"""swarm.py - many uploads at once from one thread, over sockets that never wait."""

import selectors
import socket
import time


class Upload:
    """One POST of a body; with `again` it obeys Retry-After until it has got 200 or has tried so often."""

    def __init__(self, port, query, body, expect=False, source="127.0.0.1", again=0, patience=1.0):
        self.port, self.query, self.body, self.expect, self.source = port, query, body, expect, source
        self.again, self.patience = again, patience  # patience: of Retry-After, so that tests need not wait so long
        self.statuses, self.retry_after, self.continued = [], [], 0
        self.began = self.ended = None
        self.sock = None

    @property
    def status(self):
        return self.statuses[-1] if self.statuses else None

    def open(self):
        head = (
            f"POST /v1/evaluations?{self.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(self.body)}\r\n"
            f"Content-Type: application/octet-stream\r\nConnection: close\r\n"
            f"{'Expect: 100-continue' if self.expect else 'X-Expect: nothing'}\r\n\r\n"
        ).encode()
        self.parts = [memoryview(head)] if self.expect else [memoryview(head), memoryview(self.body)]
        self.got = b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.bind((self.source, 0))
        self.sock.connect_ex(("127.0.0.1", self.port))
        self.began = self.began or time.monotonic()

    def events(self):
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self.parts else 0)

    def send(self):
        try:
            sent = self.sock.send(self.parts[0][: 1 << 18])
        except BlockingIOError:
            return
        except OSError:
            self.parts = []  # refused early: the answer is still to be read
            return
        self.parts[0] = self.parts[0][sent:]
        if not self.parts[0]:
            self.parts.pop(0)

    def receive(self):
        """True when the answer is whole, or none will come."""
        try:
            piece = self.sock.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        self.got += piece
        while self.got.startswith(b"HTTP/1.1 100") and b"\r\n\r\n" in self.got:
            self.got = self.got.partition(b"\r\n\r\n")[2]
            self.continued += 1
            self.parts = [memoryview(self.body)]
        head, separator, rest = self.got.partition(b"\r\n\r\n")
        if not separator:
            return not piece
        self.parts = []
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return not piece or len(rest) >= int(length[0].split(b":")[1])

    def close(self):
        """Notes what was answered; seconds until it wants to try again, or None."""
        self.sock.close()
        self.ended = time.monotonic()
        head = self.got.partition(b"\r\n\r\n")[0].decode("latin-1")
        self.statuses.append(int(head.split(" ")[1]) if head.startswith("HTTP/1.1 ") else 0)
        after = [line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("retry-after:")]
        self.retry_after.append(int(after[0]) if after else None)
        if self.status == 200 or len(self.statuses) > self.again:
            return None
        return (self.retry_after[-1] or 1) * self.patience


def run(uploads, seconds, more=None):
    """Drives all at once until all have ended; after `seconds` those that have not are left with status None.
    more(upload): called when one has ended; what it returns joins in."""
    selector, waiting, open_ones = selectors.DefaultSelector(), [], set()
    end = time.monotonic() + seconds

    def begin(upload):
        upload.open()
        open_ones.add(upload)
        selector.register(upload.sock, upload.events(), upload)

    for upload in uploads:
        begin(upload)
    while (open_ones or waiting) and time.monotonic() < end:
        for when, upload in [entry for entry in waiting if entry[0] <= time.monotonic()]:
            waiting.remove((when, upload))
            begin(upload)
        for key, mask in selector.select(0.05):
            upload, before = key.data, key.events
            if mask & selectors.EVENT_WRITE and upload.parts:
                upload.send()
            if mask & selectors.EVENT_READ and upload.receive():
                selector.unregister(upload.sock)
                open_ones.discard(upload)
                after = upload.close()
                if after is not None:
                    waiting.append((time.monotonic() + after, upload))
                elif more is not None:
                    for another in more(upload):
                        begin(another)
            elif upload.events() != before:
                selector.modify(upload.sock, upload.events(), upload)
    for upload in open_ones:
        upload.sock.close()
    selector.close()
