# SPDX-License-Identifier: Apache-2.0
"""The control port of a strict Kinesis endpoint that runs as a program: plain GET, JSON replies.

    /_control/status                      counts, gauge, violations
    /_control/requests?since=N            the journal
    /_control/records                     what is stored, in order, with shards
    /_control/hold?when=before|after  /_control/release  /_control/reset_max
    /_control/script?queue=JSON  ?per_key=JSON  ?always=JSON  (none: cleared)
    /_control/set?clock_offset=S&record_limit=N&throttle=0|1
    /_control/split?shard=N  /_control/close_idle  /_control/stop
"""
import json
import threading
from urllib.parse import parse_qsl, urlsplit

from http_server import HttpServer, Reply

SETTINGS = {"clock_offset": float, "record_limit": int, "throttle": lambda text: text == "1",
            "allow_explicit_hash_key": lambda text: text == "1"}


class ControlServer:
    def __init__(self, endpoint, port=0):
        self._endpoint = endpoint
        self.stopped = threading.Event()
        self._server = HttpServer(self._handle, port=port)
        self.port = self._server.port

    def stop(self):
        self._server.stop()

    def _handle(self, request):
        target = urlsplit(request.target)
        name = target.path.removeprefix("/_control/")
        command = getattr(self, f"_on_{name}", None)
        if request.method != "GET" or command is None:
            return Reply(404, b"no such command")
        try:
            answer = command(**dict(parse_qsl(target.query)))
        except (KeyError, TypeError, ValueError) as error:
            return Reply(400, repr(error).encode())
        return Reply(200, json.dumps(answer).encode(), [("Content-Type", "application/json")])

    def _on_status(self):
        endpoint = self._endpoint
        requests = endpoint.requests()
        return {"requests": len(requests), "stored": sum(one.stored for one in requests),
                "concurrent": endpoint.gate.concurrent,
                "concurrent_max": endpoint.gate.concurrent_max,
                "connections_open": endpoint.connections_open,
                "violations": endpoint.violations()}

    def _on_requests(self, since="0"):
        return [one.to_json() for one in self._endpoint.requests(int(since))]

    def _on_records(self):
        return [{"Shard": shard.shard_id, "Start": str(shard.start), "End": str(shard.end),
                 **record.to_json()} for shard, record in self._endpoint.records()]

    def _on_hold(self, when="after"):
        self._endpoint.gate.hold(when)

    def _on_release(self):
        self._endpoint.gate.release()

    def _on_reset_max(self):
        self._endpoint.gate.reset_max()

    def _on_script(self, **sources):
        self._endpoint.faults.clear()
        for name, actions in sources.items():
            if name not in ("queue", "per_key", "always"):
                raise ValueError(name)
            getattr(self._endpoint.faults, name)(json.loads(actions))

    def _on_set(self, **settings):
        for name, text in settings.items():
            setattr(self._endpoint, name, SETTINGS[name](text))

    def _on_split(self, shard):
        return [one.shard_id for one in self._endpoint.split(int(shard))]

    def _on_close_idle(self):
        return self._endpoint.close_idle()

    def _on_stop(self):
        self.stopped.set()
