"""image_check.py - carries out the Dockerfile without Docker, in clean Debian roots, and checks the image's promises.

Usage: image_check.py FOLDER         (root; debootstrap makes the roots below FOLDER, once)

Debian 13: every stage, then the image's own command runs as its own user on a read-only root, without a shell, capabilities
or new privileges; its health check must pass, an upload must be scored and stored, and its stop signal must end it with 0.
Published, it must refuse to start without a token, and ask for the one in its bootstrap file.
Debian 12: the build stage.
"""
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
SUITES = {"debian:12-slim": "bookworm", "debian:13-slim": "trixie"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def call(*command, **kwargs):
    subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL, **kwargs)


def fresh_root(folder, suite, root):
    """A copy of a minimal root of that Debian, made on first use."""
    base = folder / suite
    if not base.exists():
        print(f"   debootstrap {suite}", flush=True)
        partial = folder / f"{suite}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        call("debootstrap", "--variant=minbase", suite, partial, stdout=subprocess.DEVNULL)
        partial.rename(base)
    shutil.rmtree(root, ignore_errors=True)
    call("cp", "-a", base, root)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")


def instructions(text):
    """(KEYWORD, rest) of each instruction; comments dropped, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            keyword, rest = line.split(None, 1)
            yield keyword.upper(), rest.strip()


class Stage:
    def __init__(self, root):
        self.root, self.env, self.folder, self.settings = root, {"PATH": PATH}, "/", {}

    def run(self, command):
        """As `docker run` would: its own process ids and mounts, which end with it."""
        inside = f"cd {self.folder} && {command}"
        mounts = f"mount -t proc proc {self.root}/proc && mount -t devpts devpts {self.root}/dev/pts"
        script = f'{mounts} && exec chroot {self.root} /bin/sh -c "$1"'
        env = {**self.env, "DEBIAN_FRONTEND": "noninteractive"}
        call("unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh", inside, env=env, stdout=subprocess.DEVNULL)

    def copy(self, words, stages):
        sources, target = words[:-1], words[-1]
        context = TOP
        if sources[0].startswith("--from="):
            context = stages[sources.pop(0)[7:]].root
        into = self.root / os.path.join(self.folder, target).lstrip("/")
        for source in sources:
            here = context / source.lstrip("/")
            if here.is_dir():
                shutil.copytree(here, into, dirs_exist_ok=True)
            else:
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(here, into / here.name if target.endswith("/") else into)


def build(folder, only=None, suite=None):
    """Carries out the Dockerfile: the last stage, or the one named `only`, on another Debian if `suite` says so."""
    stages, stage = {}, None
    for keyword, rest in instructions((TOP / "Dockerfile").read_text()):
        if keyword == "FROM":
            if stage is not None and only in stages:
                return stage
            image, name = (rest.split() + ["AS", "image"])[0:3:2]
            root = folder / f"{suite or SUITES[image]}-{name}"
            fresh_root(folder, suite or SUITES[image], root)
            stage = stages[name] = Stage(root)
        elif keyword == "RUN":
            print("  ", re.sub(r"\s+", " ", rest)[:110], flush=True)
            stage.run(rest)
        elif keyword == "COPY":
            stage.copy(rest.split(), stages)
        elif keyword == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif keyword == "ENV":
            stage.env.update(word.split("=", 1) for word in shlex.split(rest))
        else:
            stage.settings[keyword] = rest
    return stage


def loopback_up():
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def prctl(*arguments):
    return ctypes.CDLL(None, use_errno=True).prctl(*arguments, 0, 0, 0)


class Container:
    """Processes as a container runtime starts them with `--read-only --cap-drop ALL --security-opt no-new-privileges`."""

    def __init__(self, root, settings):
        self.root, self.settings, self.env, self.volume = root, settings, settings["env"], settings["VOLUME"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", settings["USER"]), f"USER {settings['USER']} is not an unprivileged number"
        self.user, self.group = map(int, settings["USER"].split(":"))
        self.health = json.loads(settings["HEALTHCHECK"].split("CMD", 1)[1])

    def mount(self):
        """The root for reading, over it a fresh volume, and the volume's own files as the image has them."""
        for shell in self.root.glob("usr/bin/*sh"):
            shell.unlink()
        data = self.root.parent / "volume"
        shutil.rmtree(data, ignore_errors=True)
        call("cp", "-a", f"{self.root}{self.volume}", data)
        shutil.copy(TOP / "tests/data/demo.safetensors", self.root)
        call("mount", "--bind", self.root, self.root)
        call("mount", "-o", "remount,bind,ro", self.root)
        call("mount", "--bind", data, f"{self.root}{self.volume}")
        call("mount", "-t", "proc", "proc", self.root / "proc")
        try:
            (self.root / "written").touch()
        except OSError as failure:
            assert failure.errno == errno.EROFS, failure
        else:
            raise AssertionError("the root is not read-only")

    def confine(self):
        os.chroot(self.root)
        os.chdir("/")
        for capability in range(64):
            prctl(24, capability)  # PR_CAPBSET_DROP; those that the kernel does not know are none
        os.setgroups([])
        os.setgid(self.group)
        os.setuid(self.user)
        assert prctl(38, 1) == 0  # PR_SET_NO_NEW_PRIVS

    def start(self, *command, env=(), **kwargs):
        return subprocess.Popen(command, env={**self.env, **dict(env)}, preexec_fn=self.confine, **kwargs)

    def run(self, *command, **kwargs):
        return self.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs).wait(60)

    def check_confined(self, pid):
        status = dict(re.findall(r"^(\w+):\t(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
        assert status["NoNewPrivs"] == "1", status
        assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), status
        assert set(status["Uid"].split()) == {str(self.user)} and set(status["Gid"].split()) == {str(self.group)}, status

    @contextlib.contextmanager
    def serving(self, *command, env=()):
        """A server that its health check finds well, stopped by its stop signal with 0."""
        server = self.start(*command, env=env, stderr=subprocess.PIPE)
        try:
            end = time.monotonic() + 10
            while self.run(*self.health, env=env) != 0:
                assert server.poll() is None, server.stderr.read().decode()
                assert time.monotonic() < end, "the health check never passed"
                time.sleep(0.1)
            self.check_confined(server.pid)
            yield server
            server.send_signal(getattr(signal, self.settings["STOPSIGNAL"]))
            assert server.wait(15) == 0, "it did not stop cleanly"
        finally:
            server.kill()


PUSH = ("maskmeter", "push", "--run=check", "--step=1", "/demo.safetensors")


def check_default(container):
    command = json.loads(container.settings["ENTRYPOINT"]) + json.loads(container.settings["CMD"])
    assert "--insecure-open" not in command
    with container.serving(*command):
        assert container.run(*PUSH) == 0, "the upload failed"
    print("   healthy as user", container.settings["USER"], "on a read-only root, without shell, capability or new privileges")
    print("   an upload was scored and stored below", container.volume)
    print("  ", container.settings["STOPSIGNAL"], "stopped it with 0")


def check_published(container):
    """Reachable from outside: refused without a token, and with the token of a file it takes that alone."""
    command = (*json.loads(container.settings["ENTRYPOINT"]), "serve", "--listen", "0.0.0.0:8080")
    refused = container.start(*command, stderr=subprocess.PIPE, text=True)
    _, noise = refused.communicate(timeout=60)
    assert refused.returncode == 2, (refused.returncode, noise)
    assert f"maskmeter token create --data {container.volume}" in noise, noise
    print("   on 0.0.0.0 without a token it exits with 2 and prints the command that makes one")

    inside = f"{container.volume}/token"
    with container.serving(*command, env={"MASKMETER_BOOTSTRAP_TOKEN_FILE": inside}):
        made = pathlib.Path(f"{container.root}{inside}")
        about = made.stat()
        assert (about.st_mode & 0o777, about.st_uid) == (0o600, container.user), about
        assert container.run(*PUSH) == 1, "an upload without a token was taken"
        assert container.run(*PUSH, env={"MASKMETER_TOKEN": made.read_text().strip()}) == 0, "the token was not taken"
    print("   on 0.0.0.0 with a bootstrap file it makes a token and asks for it")


def check_running(root, settings):
    """In name spaces of its own: mounts, processes, network."""
    loopback_up()
    container = Container(root, settings)
    container.mount()
    check_default(container)
    check_published(container)


def main():
    if sys.argv[1] == "--running":
        return check_running(pathlib.Path(sys.argv[2]), json.loads(sys.argv[3]))
    folder = pathlib.Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print("Debian 12: the build stage", flush=True)
    build(folder, only="build", suite="bookworm")
    print("Debian 13: the image", flush=True)
    image = build(folder)
    settings = json.dumps({**image.settings, "env": image.env})
    spaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--net"]
    call(*spaces, sys.executable, __file__, "--running", image.root, settings)
    print("1 passed, 0 failed")


main()
