from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from cuepoint.processes.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    buffers = [bytearray(1 << 20) for _ in range(4)]
    del buffers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """How often the system had to give memory to a process that uses 4 MiB a hundred times."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, check=True, env=os.environ)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
class TestKeepFreedMemory:
    def test_buffers_are_used_again(self) -> None:
        assert faults("kept") < 5_000 < 50_000 < faults("given back")
