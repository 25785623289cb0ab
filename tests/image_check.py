"""image_check.py - carries out the Dockerfile without Docker, in clean Debian roots, and checks the image's promises.

Usage: image_check.py FOLDER         (root; debootstrap makes the roots below FOLDER, once)

Debian 13: every stage, then the image's own command runs as its own user on a read-only root without a shell; its health
check must pass, an upload must be scored and stored, and its stop signal must end it with 0.
Debian 12: the build stage.
"""
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


def check_running(root, settings):
    """In name spaces of its own (mounts, processes, network): the image as a container runtime would start it."""
    env, volume, user = settings["env"], settings["VOLUME"], settings["USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"USER {user} is not an unprivileged number"
    loopback_up()
    for shell in root.glob("usr/bin/*sh"):
        shell.unlink()
    data = root.parent / "volume"
    shutil.rmtree(data, ignore_errors=True)
    call("cp", "-a", f"{root}{volume}", data)
    (root / "demo.safetensors").write_bytes((TOP / "tests/data/demo.safetensors").read_bytes())
    call("mount", "--bind", root, root)
    call("mount", "-o", "remount,bind,ro", root)
    call("mount", "--bind", data, f"{root}{volume}")
    call("mount", "-t", "proc", "proc", f"{root}/proc")

    def inside(command, **kwargs):
        return subprocess.Popen(["chroot", f"--userspec={user}", str(root), *command], env=env, **kwargs)

    health = json.loads(settings["HEALTHCHECK"].split("CMD", 1)[1])
    command = json.loads(settings["ENTRYPOINT"]) + json.loads(settings["CMD"])
    assert "--insecure-open" not in command
    server = inside(command, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 10
        while inside(health, stderr=subprocess.DEVNULL).wait() != 0:
            assert server.poll() is None, server.stderr.read().decode()
            assert time.monotonic() < end, "the health check never passed"
            time.sleep(0.1)
        print("   healthy as user", user, "on a read-only root without a shell")
        push = ["maskmeter", "push", "--run=check", "--step=1", "/demo.safetensors"]
        assert inside(push, stdout=subprocess.DEVNULL).wait() == 0, "the upload failed"
        print("   an upload was scored and stored below", volume)
        server.send_signal(getattr(signal, settings["STOPSIGNAL"]))
        assert server.wait(15) == 0, "it did not stop cleanly"
        print("  ", settings["STOPSIGNAL"], "stopped it with 0")
    finally:
        server.kill()


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
