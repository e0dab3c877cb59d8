# SPDX-License-Identifier: Apache-2.0
"""A control group with a memory limit, of either version; needs the right to make one."""
import os
import time

TOP = "/sys/fs/cgroup"


class MemoryGroup:
    """Processes started with `prefix` may use `limit_bytes`; above it the kernel kills one."""

    def __init__(self, limit_bytes):
        """OSError where no such group can be made."""
        old = os.path.isdir(os.path.join(TOP, "memory"))
        self._path = os.path.join(TOP, "memory" if old else "", f"millrace-test-{os.getpid()}")
        os.mkdir(self._path)
        try:
            self._write("memory.limit_in_bytes" if old else "memory.max", limit_bytes)
            if not old:
                self._write("memory.swap.max", 0)
        except OSError:
            self.remove()
            raise
        self.prefix = ("/bin/sh", "-c", f'echo $$ > {self._path}/cgroup.procs && exec "$@"', "sh")

    def _write(self, name, value):
        with open(os.path.join(self._path, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def remove(self):
        for _ in range(50):
            try:
                return os.rmdir(self._path)
            except OSError:  # what ended there is still being put away
                time.sleep(0.1)
        return os.rmdir(self._path)
