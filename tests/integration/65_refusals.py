#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts that must be refused: one clear sentence, the documented exit code, nothing lost."""
import os
import re
import shutil
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import NumberedSender
from integration_case import IntegrationCase
from millrace import binary, kinesis_match, local_match
from waiting import until

EXIT_NOT_REACHABLE, EXIT_CANNOT_CREATE, EXIT_TAKEN = 69, 73, 75
EXIT_PERMISSION, EXIT_CONFIG = 77, 78
NOBODY = 65534
OUTPUT = "to_kinesis"


def in_own_mounts(commands):
    """A command prefix that runs the program in a mount namespace after these shell commands."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
            f'{commands}; exec "$@"', "sh"]


class RefusalCase(IntegrationCase):
    def assert_refused(self, instance, code, *words):
        """Ended by itself with that code; the last log line says why, in one line."""
        self.assertEqual(instance.wait_exit(30), code)
        lines = [line for line in instance.log().splitlines() if line.strip()]
        for word in words:
            self.assertIn(str(word), lines[-1])
        self.assertFalse([line for line in lines if "Sanitizer" in line or "CHECK" in line])
        print(f"    {lines[-1]}", flush=True)


class Refusals(RefusalCase):
    def launch(self, name, prefix=(), matches=None, **options):
        instance = self.millrace(matches or [local_match()], name=name, start=False, **options)
        return instance.launch(prefix)

    def test_second_instance(self):
        first = self.millrace([local_match()], name="first")
        sender = self.send_events(first, 100)
        second = self.millrace([local_match()], name="second", start=False)
        second.root = first.root
        second.configure([local_match()])
        second.launch()
        self.assert_refused(second, EXIT_TAKEN, first.pid, first.root)
        # By another name for the same directory too.
        os.symlink(first.root, os.path.join(self.directory, "alias"))
        third = self.millrace([local_match()], name="third", start=False)
        third.root = os.path.join(self.directory, "alias")
        third.configure([local_match()])
        third.launch()
        self.assert_refused(third, EXIT_TAKEN, first.pid)
        self.assertTrue(first.is_alive())
        first.wait_idle()
        self.assertEqual(first.stop(), 0)
        self.assertEqual(sender.acked_events, 100)

    @unittest.skipIf(os.geteuid() != 0, "needs root for a mount of its own")
    def test_second_instance_by_a_bind_mount(self):
        first = self.millrace([local_match()], name="first")
        second = self.millrace([local_match()], name="second", start=False)
        second.launch(in_own_mounts(f"mount --bind {first.root} {second.root}"))
        self.assert_refused(second, EXIT_TAKEN, first.pid)
        self.assertEqual(self.send_events(first, 100).acked_events, 100)
        first.wait_idle()
        self.assertEqual(first.stop(), 0)

    def test_lock_of_a_killed_instance_is_taken_over(self):
        first = self.millrace([local_match()])
        first.kill()
        first.start()
        self.assertEqual(first.stop(), 0)

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            instance = self.launch("taken", source={"port": port})
            self.assert_refused(instance, EXIT_NOT_REACHABLE, port)
        instance.start()
        self.assertEqual(instance.port, port)

    def test_root_dir_is_a_file(self):
        instance = self.millrace([local_match()], name="file", start=False)
        os.rmdir(instance.root)
        with open(instance.root, "w", encoding="utf-8"):
            pass
        self.assert_refused(instance.launch(), EXIT_CANNOT_CREATE, instance.root)

    def test_parent_of_root_dir_is_a_file(self):
        instance = self.millrace([local_match()], name="parent", start=False)
        instance.root = os.path.join(instance.config_path, "root")
        instance.configure([local_match()])
        self.assert_refused(instance.launch(), EXIT_CANNOT_CREATE, instance.root)

    def test_missing_parents_are_made(self):
        instance = self.millrace([local_match()], start=False)
        instance.root = os.path.join(self.directory, "not", "there", "yet")
        instance.configure([local_match()])
        instance.start()
        self.assertEqual(self.send_events(instance, 100).acked_events, 100)
        instance.wait_idle()
        self.assertEqual(instance.stop(), 0)
        self.assertEqual(os.stat(os.path.dirname(instance.root)).st_mode & 0o027, 0)

    def test_buffer_path_is_a_file(self):
        path = os.path.join(self.directory, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        for number, place in enumerate((path, os.path.join(path, "below"))):
            with self.subTest(place):
                instance = self.launch(f"file{number}", matches=[local_match(buffer={"path": place})])
                self.assert_refused(instance, EXIT_CANNOT_CREATE, path, "Not a directory")

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_buffer_path_on_a_read_only_file_system(self):
        path = self.place("readonly")
        instance = self.launch("instance", matches=[local_match(buffer={"path": path})],
                               prefix=in_own_mounts(f"mount -t tmpfs -o ro tmpfs {path}"))
        self.assert_refused(instance, EXIT_CANNOT_CREATE, path, "Read-only file system")

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_root_dir_of_another_user(self):
        instance = self.millrace([local_match()], name="owner", start=False)
        os.chmod(self.directory, 0o755)
        os.chmod(instance.root, 0o755)
        os.chmod(instance.config_path, 0o644)
        program = shutil.copy(binary(), os.path.join(self.directory, "program"))
        self.addCleanup(os.environ.update, {"MILLRACE": os.environ.get("MILLRACE", binary())})
        os.environ["MILLRACE"] = program
        instance.launch(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"])
        self.assert_refused(instance, EXIT_PERMISSION, instance.root)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_root_dir_on_a_read_only_file_system(self):
        instance = self.millrace([local_match()], name="readonly", start=False)
        instance.launch(in_own_mounts(f"mount -t tmpfs -o ro tmpfs {instance.root}"))
        self.assert_refused(instance, EXIT_CANNOT_CREATE, instance.root)

    def test_configuration_errors(self):
        wrong = {"unknown key": ([dict(local_match(), pathh="/x")], {}, "pathh"),
                 "unknown type": ([dict(local_match(), type="lokal")], {}, "lokal"),
                 "size": ([local_match(buffer={"chunk_limit_size": "3q"})], {}, "chunk_limit_size"),
                 "workers": ([local_match()], {"workers": 0}, "workers")}
        for name, (matches, system, word) in wrong.items():
            with self.subTest(name):
                instance = self.launch(name, matches=matches, system=system)
                self.assertEqual(instance.wait_exit(30), EXIT_CONFIG)
                self.assertIn(word, instance.log())
                self.assertIn(instance.config_path, instance.log())

    def test_configuration_file_is_missing(self):
        instance = self.millrace([local_match()], name="missing", start=False)
        os.unlink(instance.config_path)
        instance.launch()
        self.assertEqual(instance.wait_exit(30), EXIT_CONFIG)
        self.assertIn(instance.config_path, instance.log())


class FullBuffer(IntegrationCase):
    def assert_overflow(self, millrace, action):
        """Some requests met the full buffer; only the output's own row of this action tells so."""
        rows = {tuple(sorted(dict(pairs).items())): value
                for (name, pairs), value in millrace.metrics().items()
                if name == "millrace_buffer_overflow_total" and value > 0}
        self.assertEqual(list(rows), [(("action", action), ("output", OUTPUT))])

    def test_clients_are_refused_and_it_is_counted(self):
        endpoint = self.endpoint()
        endpoint.gate.hold("before")
        millrace = self.to_endpoint(endpoint, id=OUTPUT, buffer={
            "total_limit_size": "1m", "chunk_limit_size": "100k",
            "overflow_action": "throw_exception"})
        sender = NumberedSender("full", "app.full", text_bytes=2000)
        with self.assertRaises(OSError):
            sender.run(millrace.port, lambda: sender.sent_events < 5000)
        self.assert_overflow(millrace, "throw_exception")
        endpoint.gate.release()
        millrace.wait_idle()
        sender.run(millrace.port, lambda: False)  # what was in doubt comes again
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, sender.sent_events)

    def test_clients_wait_and_it_is_told(self):
        endpoint = self.endpoint()
        endpoint.gate.hold("before")
        millrace = self.to_endpoint(endpoint, id=OUTPUT, buffer={"total_limit_size": "1m",
                                                                 "chunk_limit_size": "100k"})
        sender = NumberedSender("full", "app.full", text_bytes=2000)
        client = threading.Thread(target=sender.run,
                                  args=(millrace.port, lambda: sender.sent_events < 5000))
        client.start()
        until(lambda: millrace.output()["state"] == ["full"], "the status says that it is full")
        held, limit = re.search(r"the buffer is full; clients wait .*? unfinished_bytes=(\d+) "
                                r"total_limit_size=(\d+)", millrace.log()).groups()
        self.assertEqual(int(limit), 1 << 20)
        self.assertGreater(int(held), int(limit) / 2)
        self.assert_overflow(millrace, "block")
        endpoint.gate.release()
        client.join()
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 5000)
        until(lambda: millrace.output()["state"] == ["ok"], "and that it is not")


if __name__ == "__main__":
    cases.main(__file__)
