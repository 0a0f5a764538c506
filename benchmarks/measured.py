"""Run a command, and print how long it took and how much memory it used, as JSON.

The measured command is started by a small process of its own: on Linux a process counts the memory
of the one that started it as its own, and a large one would hide what is measured.
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
