"""A work folder and what runs in it: free ports, processes that are ended with this one, the memory that they hold.

Nothing here knows of EDC or of Naru. A work folder is removed at the end if all went well, else kept and its path printed.
"""
import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CACHE = pathlib.Path(os.environ.get("NARU_CI_CACHE") or pathlib.Path.home() / ".cache/naru-ci")
_running = []


class Failed(Exception):
    """What had to hold did not; the text says which."""


def free_ports(count):
    """Ports that nobody listens on now, all different: held together, then let go."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start(command, log, **options):
    """Starts a program whose output goes to the file `log`; it is ended when this program ends."""
    with open(log, "ab") as out:
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options)
    _running.append(process)
    return process


def end(process, patience=5):
    """Ends a process of ours: asked first, then killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process in _running:
        _running.remove(process)


def _end_all():
    for process in list(_running):
        with contextlib.suppress(OSError):
            process.terminate()
    for process in list(_running):
        end(process)


def until(done, what, seconds=60, pause=0.01, alive=None):
    """Asks until `done()` is neither None nor False, and returns that; `alive` is a process that must not die meanwhile."""
    last = time.monotonic() + seconds
    while True:
        answer = done()
        if answer is not None and answer is not False:
            return answer
        if alive is not None and alive.poll() is not None:
            raise Failed(f"{what}: the process ended with {alive.returncode}")
        if time.monotonic() > last:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(pause)


def memory(pid, field="VmRSS"):
    """Resident memory of a process, MiB; `VmHWM` is its peak."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024


def cpu_seconds(pid):
    """Processor time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values, share):
    """The nearest rank: with 20 values p99 is the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


@contextlib.contextmanager
def folder(name, where=None, keep=False):
    """A fresh work folder: removed if what is done in it succeeds (unless it is to be kept), kept and named if not."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=where))
    try:
        yield path
    except BaseException as error:
        _end_all()
        print(f"logs and all that was made: {path}", file=sys.stderr, flush=True)
        if isinstance(error, Failed):
            print(f"FAILED: {error}", file=sys.stderr, flush=True)
            raise SystemExit(1) from error
        raise
    _end_all()
    if keep:
        print(f"logs and all that was made: {path}", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _stopped(number, _frame):
    raise SystemExit(128 + number)


atexit.register(_end_all)
for _signal in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_signal, _stopped)
