"""The servers that the whole test run shares: one set for all, gone with the last user."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.stack import ROOT, shared_stack

USER = """
import sys
from pathlib import Path
from tests.support.stack import shared_stack
with shared_stack(Path(sys.argv[1])) as stack:
    print(stack.keeper_pid, flush=True)
    sys.stdin.read()
"""


def _user(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'backend'}", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class TestSharedStack:
    def test_one_keeper_serves_all_and_ends_with_the_last(self, tmp_path: Path) -> None:
        users = [_user(tmp_path) for _ in range(3)]
        pids = {int(user.stdout.readline()) for user in users if user.stdout}
        (pid,) = pids
        keeper = psutil.Process(pid)
        family = [keeper, *keeper.children(recursive=True)]

        users[0].kill()  # a crashed worker counts as gone
        users[1].communicate()
        with shared_stack(tmp_path) as stack:
            assert stack.keeper_pid == pid
            users[2].communicate()
            assert keeper.is_running()
        users[0].communicate()

        assert len(family) > 3
        assert psutil.wait_procs(family, timeout=20)[1] == []
