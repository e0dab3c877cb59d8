# SPDX-License-Identifier: Apache-2.0
"""Shared libraries of tests/support, to be loaded before a program's own (LD_PRELOAD)."""
import atexit
import os
import shutil
import subprocess
import tempfile

import cases

_built = {}


def library(name):
    """The path of NAME.so, made of NAME.c once a program."""
    if name not in _built:
        directory = tempfile.mkdtemp(prefix="millrace-preload-")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        path = os.path.join(directory, name + ".so")
        source = os.path.join(cases.REPOSITORY, "tests/support", name + ".c")
        subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1",
                        "-o", path, source, "-ldl"], check=True, timeout=60)
        _built[name] = path
    return _built[name]
