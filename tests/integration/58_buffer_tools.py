#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`millrace buffer ls | show | cat | verify | stats`: what operators see of a buffer. They write
nothing, also while a service appends to the log, rolls and removes segments.
"""
import base64
import hashlib
import json
import os
import re
import shutil
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import NumberedSender
from golden_buffer import GOLDEN, Golden
from kpl_reader import read_own_aggregate
from millrace import kinesis_match, run_command
from position_file import crc32c, dashed
from tool_case import BAD_DATA, DISK, FINE, ToolCase, contents, flip
from waiting import until

COMPAT_FORMAT = 2


class Reading(ToolCase):
    def check_one_look(self, millrace):
        """One look at a log under load: nothing is wrong with it."""
        rows = self.rows("--state", "all", *self.config(millrace))
        self.assertEqual([row for row in rows if row["state"] == "damaged"], [])
        done = self.tool("verify", *self.config(millrace))
        self.assertNotIn(b"costs", done.stdout)
        for stats in self.rows(*self.config(millrace), command=("stats",)):
            self.assertEqual(stats["damaged_places"], 0)
        for row in [row for row in rows if row["state"] == "queued"][:1]:
            done = run_command("buffer", "cat", row["chunk_id"], *self.config(millrace))
            if done.returncode == FINE:
                self.assertEqual(len(done.stdout.splitlines()), row["records"])
                self.cats += 1
            else:  # it was delivered meanwhile
                self.assertRegex(done.stderr.decode(), "no chunk|was finished|is finished")
        return len(rows)

    def test_events_of_a_chunk_without_open_and_seal(self):
        _, millrace, _ = self.killed_with_chunks(events=200)
        other, chosen = [row["chunk_id"] for row in self.rows(*self.config(millrace))][:2]
        self.tool("dead-letter", other, *self.config(millrace))  # so the last commit is proved
        events = self.tool("cat", chosen, *self.config(millrace)).stdout
        told = json.loads(self.tool("show", "--json", chosen, *self.config(millrace)).stdout)
        directory = os.path.join(millrace.root, "worker0", "to_kinesis", "buffer")
        for place in (told["open"], told["seal"]):
            flip(os.path.join(directory, place["file"]), place["offset"] + 40)
        found = self.tool("verify", *self.config(millrace), code=BAD_DATA).stdout.decode()
        self.assertIn("its head and partition key; its records go to dead/", found)
        millrace.start()
        until(lambda: len(millrace.dead()) == 2, "the chunk in dead/")
        millrace.wait_idle()
        millrace.stop()
        (letter,) = [one for one in self.rows(*self.config(millrace), command=("dead-letter", "ls"))
                     if one["chunk_id"] != other]
        self.assertEqual((letter["reason"], letter["records"]), ("undecodable", 50))
        name = letter["chunk_id"]
        self.assertEqual(self.tool("cat", name, *self.config(millrace)).stdout, events)
        self.assertIn("it has no partition key; millrace buffer cat prints its events",
                      self.errors("requeue", name, *self.config(millrace), code=BAD_DATA))

    def test_live_under_load(self):
        endpoint = self.endpoint(shards=2)
        millrace = self.to_endpoint(endpoint, id="to_kinesis", system={"workers": 2},
                                    buffer={"flush_interval": "1s"})
        stop = threading.Event()
        senders = [self.load(millrace, f"load{n}", stop) for n in range(2)]
        self.cats, rows, looks, epochs = 0, 0, 0, set()
        removed = lambda: sum(value for (name, _), value in millrace.metrics().items()
                              if name == "millrace_buffer_segments_removed_total")
        try:
            while looks < 12 or ((removed() < 4 or self.cats == 0) and looks < 200):
                rows += self.check_one_look(millrace)
                looks += 1
        finally:
            stop.set()
            for _, thread in senders:
                thread.join(60)
        self.assertGreaterEqual(removed(), 4)
        self.assertGreater(self.cats, 0)
        print(f"    {looks} looks, {rows} chunks, {self.cats} printed, {int(removed())} segments "
              "removed meanwhile", flush=True)
        millrace.wait_idle()
        self.assert_all_well(endpoint, [sender for sender, _ in senders])

    def load(self, millrace, name, stop):
        sender = NumberedSender(name, "app.load", text_bytes=1500)
        thread = threading.Thread(target=sender.run, args=(millrace.port, lambda: not stop.is_set()))
        thread.start()
        return sender, thread

    def test_after_kill(self):
        endpoint, millrace, sender = self.killed_with_chunks()
        before = contents(millrace.root)
        rows = self.rows(*self.config(millrace))
        self.assertEqual(sum(row["records"] for row in rows), sender.acked_events)
        self.assertEqual({row["output"] for row in rows}, {"to_kinesis"})
        self.assertEqual({row["worker"] for row in rows}, {"0"})
        lines, bodies = [], {}
        for row in rows:
            events = self.tool("cat", row["chunk_id"], *self.config(millrace)).stdout.splitlines()
            self.assertEqual(len(events), row["records"])
            lines += events
            raw = self.tool("cat", "--raw", row["chunk_id"], *self.config(millrace)).stdout
            self.assertEqual(read_own_aggregate(raw, row["chunk_id"], False), events)
            bodies[row["chunk_id"]] = raw
            self.check_show(millrace, row, raw)
        self.assertEqual(sorted(lines), sorted(sender.payload(n)
                                               for n in range(sender.acked_events)))
        self.tool("verify", *self.config(millrace))
        (stats,) = [one for one in self.rows(*self.config(millrace), command=("stats",))
                    if one["output"] == "to_kinesis"]
        self.assertEqual(sum(stats["states"][state]["chunks"] for state in ("staged", "queued")),
                         len(rows))
        self.assertGreater(stats["keys"], 0)
        self.assertEqual(contents(millrace.root), before)
        # What was shown is what a start sends.
        millrace.start()
        millrace.wait_idle()
        until(endpoint.is_quiet, "the endpoint has answered")
        sent = {record.key: bytes(record.data)
                for _, record in endpoint.records()[self.stored_before:]}
        self.assertEqual(sent, bodies)
        self.assertEqual(self.rows(*self.config(millrace)), [])

    def check_show(self, millrace, row, raw):
        (told,) = self.rows(row["chunk_id"], *self.config(millrace), command=("show",))
        self.assertEqual(told["partition_key"], row["chunk_id"])
        self.assertEqual((told["records"], told["delivery_bytes"]), (row["records"], len(raw)))
        self.assertEqual(told["payload_format"], "KPL fragments, index 0")
        self.assertTrue(raw.startswith(bytes.fromhex(told["head"])))
        for frame in told["data_frames"]:
            with open(os.path.join(told["directory"], frame["file"]), "rb") as file:
                file.seek(frame["offset"])
                self.assertEqual(file.read(1), b"\x01")
        text = self.tool("show", row["chunk_id"][:24], *self.config(millrace)).stdout.decode()
        self.assertIn(f"chunk_id:        {row['chunk_id']}\n", text)

    def test_golden_buffers(self):
        count = 0
        for name in sorted(os.listdir(GOLDEN)):
            with self.subTest(name):
                golden = Golden(name)
                directory = os.path.join(self.place(name), "worker0", name, "buffer")
                golden.place_at(directory)
                before = contents(directory)
                count += self.check_golden(golden, directory)
                self.assertEqual(contents(directory), before)
        print(f"    {count} chunks", flush=True)

    def check_golden(self, golden, directory):
        done = self.tool("verify", "--dir", directory)
        self.assertRegex(done.stdout.decode(), "^" + re.escape(directory) + ": fine ")
        rows = {row["chunk_id"]: row for row in self.rows("--dir", directory)}
        dead = {dashed(chunk) for chunk in golden.dead_before
                if os.path.exists(os.path.join(directory, "dead", chunk + ".chunk"))}
        chunks = {dashed(one["chunk_id"]): one for one in golden.queued + golden.dead_letters}
        self.assertEqual(set(rows), set(chunks) | dead)
        for chunk_id, one in chunks.items():
            row = rows[chunk_id]
            self.assertEqual((row["records"], row["bytes"]), (one["records"], one["body_bytes"]))
            self.assertEqual(row["attempts"], one["failures"])
            raw = self.tool("cat", "--raw", "--dir", directory, chunk_id).stdout
            self.assertEqual(hashlib.md5(raw).hexdigest(), one["delivery_md5"])
            self.check_events(one, raw, self.tool("cat", "--dir", directory, chunk_id).stdout)
            (told,) = self.rows(chunk_id, "--dir", directory, command=("show",))
            self.assertEqual(told["partition_key"], one["partition_key"])
            self.assertEqual(len(told["data_frames"]), one["frames"])
        for chunk_id in dead:
            path = os.path.join(directory, "dead", chunk_id.replace("-", "") + ".chunk")
            with open(path, "rb") as file:
                data = file.read()
            for named in (("--dir", directory, chunk_id), (path,)):
                self.assertEqual(self.tool("cat", "--raw", *named).stdout, data)
                self.assertGreater(len(self.tool("cat", *named).stdout), 0)
        return len(rows)

    def check_events(self, one, raw, text):
        lines = text.splitlines()
        if one["payload_format"] in (1, COMPAT_FORMAT):
            payloads = read_own_aggregate(raw, one["partition_key"],
                                          one["payload_format"] == COMPAT_FORMAT)
            self.assertEqual([line.strip() for line in lines],
                             [bytes(payload).strip() for payload in payloads])
        elif one["payload_format"] == 4:
            self.assertEqual(len(lines), one["records"])
            for line in lines:
                self.assertLessEqual({"time", "tag"}, set(json.loads(line)))
        else:
            events = [json.loads(line) for line in lines]
            self.assertGreater(len(events), 0)
            if "data_base64" in events[0]:
                self.assertEqual(base64.b64decode(events[0]["data_base64"]), raw)

    def test_unmatched_events_and_messages_that_cannot_be_decoded(self):
        endpoint = self.endpoint()
        millrace = self.millrace([kinesis_match(endpoint.url, id="to_kinesis") |
                                  {"pattern": "app.**"}])
        sender = self.send_events(millrace, 100, tag="other.tag")
        millrace.flush()
        until(lambda: millrace.finished("D"), "the dead letter")
        (row,) = self.rows(*self.config(millrace), command=("dead-letter", "ls"))
        self.assertEqual((row["reason"], row["output"], row["metadata"]),
                         ("unmatched", "unmatched", {"tag": "other.tag"}))
        lines = self.tool("cat", row["chunk_id"], *self.config(millrace)).stdout.splitlines()
        self.assertEqual(lines, [sender.payload(n) for n in range(100)])


class Damage(ToolCase):
    def setUp(self):
        super().setUp()
        self.directory = os.path.join(self.directory, "log")
        self.golden = Golden("kpl")
        self.golden.place_at(self.directory)

    def again(self):
        shutil.rmtree(self.directory)
        self.golden.place_at(self.directory)

    def show(self, one):
        (told,) = self.rows(dashed(one["chunk_id"]), "--dir", self.directory, command=("show",))
        return told

    def damages(self):
        before = contents(self.directory)
        found = self.rows("--dir", self.directory, command=("verify",), code=BAD_DATA)
        self.assertEqual(contents(self.directory), before)
        text = self.tool("verify", "--dir", self.directory, code=BAD_DATA).stdout.decode()
        for damage in found:
            self.assertIn(damage["what"], text)
        return found

    def path(self, name):
        return os.path.join(self.directory, name)

    def test_every_frame(self):
        """One bit in each DATA frame of each chunk: named with file, lsn and what it costs."""
        self.count = self.torn = 0
        for name in ("kpl", "kpl-segments", "kpl-fluentd", "local"):
            self.golden = Golden(name)
            self.again()
            for one in self.golden.queued:
                for frame in self.show(one)["data_frames"][:2]:
                    self.check_flips(one, frame)
        self.assertGreater(self.count, self.torn)
        self.assertGreater(self.count, 10)
        print(f"    {self.count} flipped bits, {self.torn} of the last commit", flush=True)

    def check_flips(self, one, frame):
        for at in (40, 8):  # payload, header
            flip(self.path(frame["file"]), frame["offset"] + at)
            done = run_command("buffer", "verify", "--dir", self.directory)
            if done.returncode == FINE:  # nothing says that the last commit was durable
                self.assertIn(b"the last commit is not whole", done.stdout)
                self.torn += 1
            else:
                self.check_frame(one, frame)
                self.count += 1
            flip(self.path(frame["file"]), frame["offset"] + at)

    def check_frame(self, one, frame):
        lsn = int(frame["lsn"], 16)
        found = [damage for damage in self.damages() if damage.get("lsn") and
                 int(damage["lsn"], 16) <= lsn < int(damage["lsn"], 16) + damage["bytes"]]
        self.assertEqual([damage["file"] for damage in found], [frame["file"]])
        self.assertIn(dashed(one["chunk_id"]), " ".join(found[0]["costs"]))
        self.tool("cat", "--dir", self.directory, dashed(one["chunk_id"]), code=BAD_DATA)

    def test_open_and_seal_cost_nothing(self):
        one = next(one for one in self.golden.queued if "seal" in self.show(one))
        for name in ("open", "seal"):
            with self.subTest(name):
                self.again()
                place = self.show(one)[name]
                flip(self.path(place["file"]), place["offset"] + 60)
                (damage,) = self.damages()
                self.assertEqual((damage["file"], damage["costs"]), (place["file"], []))
                lines = self.tool("cat", "--dir", self.directory, dashed(one["chunk_id"])).stdout
                self.assertEqual(len(lines.splitlines()), one["records"])

    def test_a_directory_that_is_not_there_is_named_once(self):
        place = os.path.join(self.directory, "elsewhere")
        told = self.tool("ls", "--dir", place, code=BAD_DATA).stderr.decode()
        self.assertEqual(told, f"{place}: No such file or directory\n")

    def test_headers_lines_and_dead_letters(self):
        segment = sorted(name for name in os.listdir(self.directory) if name.startswith("seg"))[0]
        dead = os.path.join("dead", self.golden.dead_before[0])
        for name, offset, what in ((segment, 20, "header of a segment"),
                                   ("chunks.pos", 10, "header of the position file"),
                                   ("chunks.pos", 4096 + 30, "line at offset 4096"),
                                   (dead + ".chunk", 100, "its bytes are not those"),
                                   (dead + ".json", 0, "its .json is damaged")):
            with self.subTest(name=name, offset=offset):
                self.again()
                flip(self.path(name), offset)
                told = self.damages()
                self.assertEqual(len(told), 1, told)
                self.assertIn(what, told[0]["what"])
                self.assertEqual(told[0]["file"].split(".")[0], name.split(".")[0])

    def test_strange_entries_in_dead_hide_nothing(self):
        dead = self.path("dead")
        rows = len(self.rows("--dir", self.directory))
        name = os.path.join(dead, "ab" * 16)
        os.symlink(name + ".chunk", name + ".chunk")
        os.mkfifo(name + ".json")
        self.assertEqual(len(self.rows("--dir", self.directory)), rows)
        self.tool("stats", "--dir", self.directory)
        self.tool("verify", "--dir", self.directory)
        shutil.rmtree(dead)
        with open(dead, "w", encoding="utf-8"):
            pass
        error = self.errors("ls", "--dir", self.directory, code=DISK)
        self.assertIn("dead: Not a directory", error)

    def test_missing_and_foreign_segments(self):
        first, last = sorted(name for name in os.listdir(self.directory) if name.startswith("seg"))
        os.unlink(self.path(first))
        told = self.damages()
        self.assertIn("a segment is missing", [damage["what"] for damage in told])
        self.again()
        os.unlink(self.path(last))
        self.assertIn("the newest segment is missing", [damage["what"] for damage in self.damages()])
        self.again()
        name = "seg.00000009.0000000000900000.log"
        with open(self.path(first), "rb") as source, open(self.path(name), "wb") as file:
            header = bytearray(source.read(4096))
            header[16:32] = b"another log uuid"
            header[4092:] = struct.pack("<I", crc32c(bytes(header[16:32] + header[:4092])))
            file.write(bytes(header))
        (damage,) = self.damages()
        self.assertEqual((damage["file"], damage["what"]), (name, "a segment of another log"))

    def test_hostile_files(self):
        """Nothing in them makes a tool fail otherwise than by its exit code, or take much memory."""
        dead = os.path.join("dead", self.golden.dead_before[0])
        id_text = self.golden.dead_before[0]
        for name, data in ((dead + ".json", b"[" * 100000), (dead + ".json", b"\0" * 2_000_000),
                           (dead + ".json", b'{"chunk_id":"%s","file_crc32c":"0","file_bytes":'
                            b'18446744073709551615,"reason":"\x1b[2J"}' % id_text.encode()),
                           ("chunks.pos", b"\xff" * 9000), ("chunks.pos", b"")):
            with self.subTest(name=name, bytes=len(data)):
                self.again()
                with open(self.path(name), "wb") as file:
                    file.write(data)
                self.damages()
                self.assertNotIn(b"\x1b", self.tool("ls", "--dir", self.directory).stdout)
                self.tool("stats", "--dir", self.directory)


if __name__ == "__main__":
    cases.main(__file__)
