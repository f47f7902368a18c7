# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that runs a command: contract, exit codes, deadline, and other work while the command runs."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor import cgroup
from kea_lease_monitor.batch import Delivery, Pending, Reason
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import ConfigurationError, TemporaryError
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.command import CommandSink, Options
from support.wait import until

from runtime.builders import event
from runtime.contracts import SinkContract, delivered

KEEP = """
import json, sys
events = json.load(sys.stdin)["events"]
with open(sys.argv[1], "a") as out:
    for event in events:
        print(event["lease"]["address"], file=out)
"""


def make(script: str, *arguments: str, timeout: int = 30) -> CommandSink:
    return CommandSink(Options((sys.executable, "-c", script, *arguments), timeout), Clock())


class TestExec(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[Any]:
        seen = tmp_path / "seen"
        sink = make(KEEP, str(seen))
        yield sink, lambda: sorted(seen.read_text().split())
        sink.close()


@pytest.fixture
def run() -> Iterator[Callable[..., CommandSink]]:
    made: list[CommandSink] = []

    def start(*arguments: Any, **more: Any) -> CommandSink:
        made.append(make(*arguments, **more))
        return made[-1]

    yield start
    for sink in made:
        sink.close()


def test_the_document(run: Callable[..., CommandSink], tmp_path: Path) -> None:
    sink = run("import sys; open(sys.argv[1], 'w').write(sys.stdin.read())", str(tmp_path / "out"))
    assert delivered(sink, [event(1)]) == Delivery(executed=1)
    written = json.loads((tmp_path / "out").read_text())
    (found,) = written["events"]
    assert (written["version"], found["kind"], found["ref"]) == (1, "assigned", "ref-1")
    assert found["lease"]["hwaddr"] == "02:00:00:00:00:01"
    assert found["lease"]["state"] == 0


def test_a_large_batch_and_a_large_output_do_not_block(run: Callable[..., CommandSink]) -> None:
    """With pipes both sides would wait: each writes all of its own before it reads."""
    sink = run("import sys; sys.stderr.write('x' * 10**6); sys.stdout.write('x' * 10**6); sys.stdin.read()")
    assert delivered(sink, [event(1, hostname="h" * 1000)] * 1000).executed == 1000


def test_while_the_command_runs_the_sink_returns_pending(run: Callable[..., CommandSink], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    sink = run("import sys; open(sys.argv[1]).read()", str(gate))
    events = [event(1)]
    first = sink.deliver(events)
    assert isinstance(first, Pending)
    assert sink.deliver(events) == first, "the same command, not a second one"
    gate.write_text("")
    assert delivered(sink, events).executed == 1


@pytest.mark.parametrize("code", [1, 75, 127])
def test_any_other_exit_code_is_a_temporary_error_with_the_last_output(
    run: Callable[..., CommandSink], code: int
) -> None:
    sink = run(f"import sys; print('first'); print('no route', file=sys.stderr); sys.exit({code})")
    for _time in range(2):
        with pytest.raises(TemporaryError, match=f"ended with code {code}: no route"):
            delivered(sink, [event(1)])


def test_a_signal_is_a_temporary_error(run: Callable[..., CommandSink]) -> None:
    with pytest.raises(TemporaryError, match="ended by signal 9"):
        delivered(run("import os; os.kill(os.getpid(), 9)"), [event(1)])


def test_exit_code_65_refuses_single_events_and_delivers_the_others(
    run: Callable[..., CommandSink], tmp_path: Path
) -> None:
    script = """
import json, sys
found = [event["lease"]["address"] for event in json.load(sys.stdin)["events"]]
if "10.0.0.3" in found:
    sys.exit("3 is bad") if False else (print("3 is bad", file=sys.stderr), sys.exit(65))
print(*found, sep="\\n", file=open(sys.argv[1], "a"))
"""
    seen = tmp_path / "seen"
    delivery = delivered(run(script, str(seen)), [event(number) for number in range(1, 6)])
    assert [(each.event.ref, each.reason, each.detail) for each in delivery.rejected] == [
        ("ref-3", Reason.REFUSED, "3 is bad")
    ]
    assert delivery.executed == 4
    assert sorted(seen.read_text().split()) == ["10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5"]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def awaited(condition: Callable[[], bool]) -> None:
    """Wait, and let a child's end interrupt the wait."""
    until(condition, "the command's end", pause=lambda: signal.sigtimedwait([], 0.01))


@pytest.mark.slow
def test_a_hanging_command_is_killed_with_its_children(run: Callable[..., CommandSink], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open(sys.argv[1] + ".part", "w").write(f"{os.getpid()} {child}")
    os.rename(sys.argv[1] + ".part", sys.argv[1])
signal.pause()
"""
    sink = run(script, str(pids), timeout=1)
    with pytest.raises(TemporaryError, match="did not end within 1 seconds"):
        delivered(sink, [event(1)])
    for pid in map(int, pids.read_text().split()):
        awaited(lambda pid=pid: gone(pid))


ESCAPED = """
import os, signal, sys
if not os.fork():
    os.setsid()
    if not os.fork():
        open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
        os.rename(sys.argv[1] + ".part", sys.argv[1])
        signal.pause()
    os._exit(0)
while not os.path.exists(sys.argv[1]): pass
"""
"""A command that leaves a process with a session of its own, which has no living parent (case E11)."""


@pytest.mark.parametrize("hangs", [False, True])
def test_a_child_with_a_session_of_its_own_ends_with_the_command(
    run: Callable[..., CommandSink], tmp_path: Path, hangs: bool
) -> None:
    sink = run(ESCAPED + ("signal.pause()" if hangs else ""), str(tmp_path / "pid"))
    if hangs:
        assert isinstance(sink.deliver([event(1)]), Pending)
        awaited((tmp_path / "pid").exists)
        sink.close()
    else:
        assert delivered(sink, [event(1)]).executed == 1
    assert gone(int((tmp_path / "pid").read_text()))


DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def daemonise():
    for _time in range(2):
        if os.fork():
            return False
        os.setsid()
    return True
if daemonise():
    open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    while True: signal.pause()
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
"""A command that leaves a daemon which ignores SIGTERM."""


def running(word: str) -> list[int]:
    """Return the processes that have this word among their arguments."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (directory / "cmdline").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


@pytest.mark.parametrize("grouped", [True, False])
def test_a_daemon_is_gone_after_the_time_limit(
    run: Callable[..., CommandSink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grouped: bool
) -> None:
    if not grouped:
        monkeypatch.setattr(cgroup, "create", lambda: None)
    sink = run(DAEMON + "while True: signal.pause()", str(tmp_path / "pid"), timeout=2)
    with pytest.raises(TemporaryError, match="did not end within 2 seconds"):
        delivered(sink, [event(1)])
    assert gone(int((tmp_path / "pid").read_text()))
    assert running(str(tmp_path / "pid")) == []


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the control groups that are created from now on. Skips the test where this process cannot create one."""
    made: list[Path] = []
    create = cgroup.create

    def remember() -> cgroup.ControlGroup | None:
        group = create()
        made.extend([Path(group.path)] if group else [])
        return group

    monkeypatch.setattr(cgroup, "create", remember)
    group = create()
    if group is None:
        pytest.skip("cgroup v2 is not mounted here, or not for this user to write")
    group.end()
    return made


@pytest.mark.usefixtures("groups")
def test_what_ends_its_holder_ends_too(run: Callable[..., CommandSink], tmp_path: Path) -> None:
    sink = run(DAEMON + "os.kill(os.getppid(), signal.SIGKILL); signal.pause()", str(tmp_path / "pid"))
    with pytest.raises(TemporaryError, match="was ended by signal 9"):
        delivered(sink, [event(1)])
    assert running(str(tmp_path / "pid")) == []


def test_no_control_group_is_left(run: Callable[..., CommandSink], groups: list[Path]) -> None:
    sink = run("import signal; signal.pause()")
    assert isinstance(sink.deliver([event(1)]), Pending)
    (group,) = groups
    awaited(lambda: len((group / "cgroup.procs").read_text().split()) == 2)
    sink.close()
    assert not group.exists()


def test_what_a_command_writes_is_bounded_while_it_is_written(run: Callable[..., CommandSink]) -> None:
    """Case E11: standard error was a file, which filled the temporary directory. A file of this size is refused now."""
    script = "import sys; [print('x' * 10**6, file=sys.stderr) for _ in range(200)]; sys.exit('the end')"
    previous = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, previous[1]))
    try:
        with pytest.raises(TemporaryError, match="ended with code 1: the end"):
            delivered(run(script), [event(1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous)


def test_close_ends_the_command_within_the_time_of_a_clean_stop(run: Callable[..., CommandSink]) -> None:
    sink = run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()")
    answer = sink.deliver([event(1)])
    assert isinstance(answer, Pending)
    begin = time.monotonic()
    sink.close()
    assert time.monotonic() - begin < 20


def test_the_command_inherits_no_secret(
    run: Callable[..., CommandSink], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    sink = run("import os, sys; open(sys.argv[1], 'w').write(' '.join(sorted(os.environ)))", str(tmp_path / "out"))
    delivered(sink, [event(1)])
    assert set((tmp_path / "out").read_text().split()) <= {"LANG", "PATH", "LC_CTYPE"}


def test_no_shell_interprets_the_arguments(run: Callable[..., CommandSink], tmp_path: Path) -> None:
    out = tmp_path / "out"
    delivered(run("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", str(out), "$(id); *"), [event(1)])
    assert out.read_text() == "$(id); *"


def test_check_reports_a_missing_program() -> None:
    sink = CommandSink(Options(("/nonexistent/program",), 30), Clock())
    with pytest.raises(TemporaryError, match="no program that this user may run"):
        sink.check()
    with pytest.raises(TemporaryError, match="/nonexistent/program cannot be run: No such file"):
        delivered(sink, [event(1)])


@pytest.mark.parametrize("command", [[], ["relative"], ["/bin/true", "a\0b"]])
def test_an_impossible_command_is_refused(command: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"sinks\[0\].command"):
        Options.parse(Section({"command": command}, "sinks[0]"))


def test_descriptors_are_closed(run: Callable[..., CommandSink]) -> None:
    sink = run("pass")
    delivered(sink, [event(1)])
    before = len(os.listdir("/proc/self/fd"))
    for _time in range(5):
        delivered(sink, [event(1)])
    assert len(os.listdir("/proc/self/fd")) == before
