"""support.py - what the HTTP tests share: files, safetensors bytes, codings, and one running server."""

import ctypes
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import struct
import subprocess
import threading
import time

import numpy as np
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
ORACLE = ROOT / "tests" / "oracle"
BINARY = pathlib.Path(os.environ.get("MASKMETER_BIN", ROOT / "build" / "maskmeter")).resolve()
SLOW = float(os.environ.get("MASKMETER_TEST_SLOWNESS", "1"))  # sanitizers and valgrind: stretch the deadlines
# In short form the machine may be anybody's, and busy: asked is whether, and in long form also when.
PATIENCE = SLOW * (5 if os.environ.get("MASKMETER_TEST_SHORT") else 1)

MANIFEST = {entry["file"]: entry for entry in json.loads((DATA / "MANIFEST.json").read_text())["files"]}
EXPECTED = json.loads((DATA / "EXPECTED.json").read_text())["files"]

# ---------------------------------------------------------------------------------------------- safetensors

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


def frame(header, data=b""):
    """A file from the text of its header (str, bytes, or what JSON can say) and its data."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps(header, separators=(",", ":"))
    if isinstance(header, str):
        header = header.encode()
    return struct.pack("<Q", len(header)) + header + data


def bf16(array):
    """Rounds to bfloat16 by truncation: U16 bits for ("BF16", array)."""
    return (np.ascontiguousarray(array, dtype="<f4").view("<u4") >> 16).astype("<u2")


def safetensors(tensors, metadata=None, pad=True):
    """tensors: {name: array, or ("BF16", U16 bits)}, written in the order given."""
    header, blobs, offset = {}, [], 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        dtype, array = array if isinstance(array, tuple) else (NAMES[np.asarray(array).dtype], np.asarray(array))
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    return frame(text, b"".join(blobs))


def read_safetensors(data):
    """{name: array} of a file without BF16."""
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    out = {}
    for name, row in header.items():
        begin, end = (8 + size + offset for offset in row["data_offsets"])
        out[name] = np.frombuffer(data[begin:end], dtype=DTYPES[row["dtype"]]).reshape(row["shape"])
    return out


# -------------------------------------------------------------------------------------------------- codings

_zstd = ctypes.CDLL("libzstd.so.1")
for _name in ("ZSTD_compress", "ZSTD_decompress", "ZSTD_compressBound"):
    getattr(_zstd, _name).restype = ctypes.c_size_t
_zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
_zstd.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_zstd.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
_zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
_zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]


def zstd(data, level=1):
    room = _zstd.ZSTD_compressBound(len(data))
    out = ctypes.create_string_buffer(room)
    size = _zstd.ZSTD_compress(out, room, data, len(data), level)
    assert not _zstd.ZSTD_isError(ctypes.c_size_t(size))
    return out.raw[:size]


def unzstd(data, size=None):
    """size: of what comes out; None: as the frame says."""
    size = _zstd.ZSTD_getFrameContentSize(data, len(data)) if size is None else size
    out = ctypes.create_string_buffer(size)
    assert _zstd.ZSTD_decompress(out, size, data, len(data)) == size
    return out.raw


def data_file(name):
    """(bytes, headers) of a file of tests/data as a client would send it."""
    headers = {"Content-Encoding": "zstd"} if name.endswith(".zst") else {}
    return (DATA / name).read_bytes(), headers


def data_tensors(name):
    data = (DATA / name).read_bytes()
    if name.endswith(".zst"):
        data = unzstd(data, MANIFEST[name]["decoded_bytes"])
    return read_safetensors(data)


def data_params(name):
    """The parameters that a client of this file sends."""
    entry = MANIFEST[name]
    params = {"classes": ",".join(entry["class_names"]), "task": entry["task"]}
    if entry["layout"].startswith("channels_"):
        params["layout"] = entry["layout"]
    return params


# --------------------------------------------------------------------------------------------------- server


class Server:
    """The real binary, on a free port, with its own data folder."""

    inherits = ()  # descriptors that it is started with

    def __init__(self, data, *args, env=None, start=True):
        self.data, self.args, self.env = pathlib.Path(data), list(args), dict(env or {})
        self.process, self.port, self.log, self.noise = None, None, [], []
        self.session = requests.Session()
        self.session.trust_env = False
        if start:
            self.start()

    def command(self):
        return [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data), *self.args]

    def start(self):
        env = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
        env.update(self.env)
        self.process = subprocess.Popen(self.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env,
                                        pass_fds=self.inherits)
        listening = queue.Queue()
        self.reader = threading.Thread(target=self._read_log, args=(self.process.stderr, listening), daemon=True)
        self.reader.start()
        address = listening.get(timeout=20 * SLOW)
        assert address is not None, f"no server: {self.noise or self.log}"
        self.port = int(address.rsplit(":", 1)[1])
        self.url = f"{'https' if '--tls-cert' in self.args else 'http'}://127.0.0.1:{self.port}"
        if SLOW > 1:
            self.get("/healthz")  # the thread sanitizer may lose a signal that comes before the loop's first turn
        return self

    def _read_log(self, stream, listening):
        for line in stream:
            try:
                entry = json.loads(line)
            except ValueError:
                self.noise.append(line.decode(errors="replace"))
                continue
            self.log.append(entry)
            if entry.get("event") == "listening":
                listening.put(entry["address"])
        listening.put(None)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=30):
        code = self.process.wait(timeout * SLOW)
        self.reader.join(5 * SLOW)
        self.process.stderr.close()
        return code

    def stop(self):
        """SIGTERM; the server must leave with 0 and must have logged nothing but JSON."""
        if self.process is None or self.process.poll() is not None:
            return
        self.session.close()
        self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert code == 0, (code, self.noise, self.log[-3:])
        assert not self.noise, self.noise

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        return self.wait()

    # requests

    def request(self, method, path, body=None, headers=None, **params):
        return self.session.request(
            method, self.url + path, data=body, headers=headers, params=params or None, timeout=60 * SLOW,
            allow_redirects=False,
        )

    def get(self, path, **params):
        return self.request("GET", path, **params)

    def post(self, body, headers=None, **params):
        headers = {"Content-Type": "application/octet-stream", **(headers or {})}
        return self.request("POST", "/v1/evaluations", body, headers, **params)

    def announce(self, length, **params):
        """The answer to an upload of which only the headers were sent."""
        headers = {"Content-Type": "application/octet-stream", "Expect": "100-continue"}
        request = requests.Request("POST", self.url + "/v1/evaluations", headers=headers, params=params)
        request = self.session.prepare_request(request)
        request.headers["Content-Length"] = str(length)
        return self.session.send(request, timeout=60 * SLOW)

    def score(self, body, headers=None, **params):
        """The document of an upload that must succeed."""
        answer = self.post(body, headers, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, data, timeout=5, half_close=False):
        """Sends bytes as they are and reads until the server closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout * SLOW) as sock:
            try:
                sock.sendall(data)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server may refuse before it has read everything
            return read_all(sock)

    def connect_session(self):
        """A session of its own, for another thread."""
        session = requests.Session()
        session.trust_env = False
        return session

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * SLOW)

    # what the process holds

    def status(self, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith(key + ":"))
        return int(line.split()[1])

    def rss(self):
        """Resident bytes now."""
        return self.status("VmRSS") * 1024

    def peak(self):
        """Most resident bytes so far."""
        return self.status("VmHWM") * 1024

    def metrics(self):
        return parse_metrics(self.get("/metrics").text)


def read_all(sock):
    out = b""
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            out += piece
    except OSError:
        pass  # a time-out or a reset: what came, came
    return out


def parse_metrics(text):
    """{'name{labels}': value} of Prometheus text."""
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            out[name] = float(value)
    return out


def responses(data):
    """[(status, {header: value}, body)] of what a raw connection sent back."""
    out = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        assert separator, data
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        size = 0 if status in (100, 204) else int(headers.get("content-length", len(rest)))
        out.append((status, headers, rest[:size]))
        data = rest[size:]
    return out


def eventually(check, seconds=5):
    """Waits until check() is true."""
    end = time.monotonic() + seconds * PATIENCE
    while not check():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


# ---------------------------------------------------------------------------------------------- assertions


def near(value, expected):
    """Within 1e-9 relative or 1e-12 absolute; None equals None; lists element by element."""
    if isinstance(expected, list):
        return isinstance(value, list) and len(value) == len(expected) and all(map(near, value, expected))
    if expected is None or value is None:
        return value is expected
    return abs(value - expected) <= max(1e-12, 1e-9 * abs(expected))


def problem(answer, status, param=None, tensor=None, index=None, says=()):
    """Checks an RFC 9457 answer; returns its document."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["title"] and document["detail"] and document["type"]
    assert document["request_id"] == answer.headers["X-Request-Id"]
    for key, value in (("param", param), ("tensor", tensor), ("index", index)):
        if value is not None:
            assert document.get(key) == value, (key, document)
    for word in [says] if isinstance(says, str) else says:
        assert word in document["detail"], (word, document)
    return document


def scores_of(document):
    return {score["name"]: score for score in document["scores"]}


def bits(document):
    """The numbers of an answer, as text that differs when one bit does; the engine, times and the part are left out."""
    keep = {key: value for key, value in document.items() if key not in ("engine", "evaluation")}
    return json.dumps(keep, sort_keys=True)


# ----------------------------------------------------------------------------------------------- small data


def softmax_case(images=2, classes=3, spatial=(16, 20), seed=1, dtype="<f4"):
    """Random probabilities and labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (images, classes, *spatial))
    logits -= logits.max(axis=1, keepdims=True)
    probs = np.exp(logits)
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(dtype)
    label = rng.integers(0, classes, (images, *spatial)).astype("u1")
    return probs, label


def small_file(**kwargs):
    probs, label = softmax_case(**kwargs)
    return safetensors({"pred": probs, "label": label})
