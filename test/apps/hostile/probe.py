"""Tries everything that is not its own, says what it got on standard output, then serves that as a page."""

import ctypes
import glob
import http.server
import json
import os
import socket

found = []


def tried(name, attempt):
    try:
        got = attempt()
    except OSError as error:
        found.append({"tried": name, "got": None, "error": error.strerror or str(error)})
    else:
        found.append({"tried": name, "got": str(got)[:200], "error": None})


def connect(host, port):
    with socket.create_connection((host, port), timeout=3):
        return "connected"


def read(path):
    with open(path, "rb") as file:
        return file.read(200)


def write(path):
    with open(path, "ab"):
        return "opened"


libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"


for target in json.loads(os.environ["TARGETS"]):
    tried(f"connect {target[0]} {target[1]}", lambda: connect(*target))
for path in json.loads(os.environ["SECRETS"]):
    tried(f"read {path}", lambda: read(path) if not os.path.isdir(path) else os.listdir(path))
for link in sorted(glob.glob("links/*")):
    tried(f"read {link}", lambda: read(link) if not os.path.isdir(link) else os.listdir(link))
for path in ["/usr/bin/bash", "/usr/bin/new", "/etc/passwd", "/etc/new", "/lib/new", "/root/new", "/var/new", "/new"]:
    tried(f"write {path}", lambda: write(path))
for path in ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/sys/kernel/mm/ksm/run", "/proc/kcore", "/proc/1/mem"]:
    tried(f"write {path}", lambda: write(path))
for device in ["vda", "sda", "mem", "kmsg", "kvm", "fuse", "loop0", "loop-control"]:
    tried(f"open /dev/{device}", lambda: read(f"/dev/{device}"))
tried("mknod", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(253, 0)))
tried("mount", lambda: call(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None))
tried("bind mount", lambda: call(libc.mount, b"/proc", b"/tmp", b"", 4096, None))
tried("ptrace", lambda: call(libc.ptrace, 16, 1, 0, 0))
tried("unshare", lambda: call(libc.unshare, 0x10000000))
tried("setns", lambda: call(libc.setns, os.open("/proc/1/ns/net", os.O_RDONLY), 0))
tried("setuid", lambda: os.setuid(0))
tried("chroot", lambda: os.chroot("/tmp"))
tried("kill the rest", lambda: os.kill(2**22 - 1, 9))

strangers = []
for path in glob.glob("/proc/[0-9]*"):
    try:
        if os.stat(path).st_uid != os.getuid():
            strangers.append(path)
        strangers += [path for word in (b"postgres", b"nginx", b"of-the-neighbour") if word in read(f"{path}/cmdline")]
    except OSError:
        continue

print("probe", json.dumps(found), flush=True)
page = json.dumps({"found": found, "strangers": strangers, "names": sorted(os.listdir("names"))}).encode()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(page)


http.server.HTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
