# SPDX-License-Identifier: Apache-2.0
"""What an instance tells of its output's breaker and of its counters."""


def breaker(millrace):
    (output,) = [one for one in millrace.status()["outputs"] if "breaker" in one]
    return output["breaker"]


def is_away(millrace):
    return breaker(millrace)["state"] in ("open", "probing")


def counter(millrace, name, **labels):
    wanted = set(labels.items())
    return sum(value for (found, pairs), value in millrace.metrics().items()
               if found == f"millrace_{name}" and wanted <= set(pairs))
