"""Run a command; write its seconds, its peak memory and its status to a file, as JSON.

A small process of its own starts the command: on Linux, the peak of a process includes the memory
of the one that started it, and a large one would hide that of the command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

begin = time.monotonic()
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=2)  # noqa: S603
_, status, usage = os.wait4(child.pid, 0)
seconds = time.monotonic() - begin
with open(sys.argv[1], "w") as file:  # noqa: PTH123 - pathlib would be most of this process
    json.dump({"seconds": seconds, "peak": usage.ru_maxrss, "status": status}, file)
