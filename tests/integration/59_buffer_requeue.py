#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`millrace buffer requeue | dead-letter`: what operators can do to the buffer of a stopped service,
and what all of `millrace buffer` says to wrong words.
"""
import fcntl
import itertools
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from golden_buffer import Golden
from millrace import kinesis_match
from position_file import dashed
from tool_case import BAD_DATA, DISK, FINE, LOCKED, USAGE, ToolCase, contents, flip
from waiting import until


class Changing(ToolCase):
    def refused_chunk(self, **options):
        """A chunk that the service refused for good, in dead/; events follow that it did not."""
        endpoint = self.endpoint()
        endpoint.faults.queue(["ValidationException"])
        millrace = self.to_endpoint(endpoint, id="to_kinesis", **options)
        sender = self.send_events(millrace, 50)
        millrace.flush()
        until(millrace.dead, "the chunk in dead/")
        until(lambda: millrace.finished("D"), "its line")
        (path,) = millrace.dead()
        return endpoint, millrace, sender, path

    def check_requeued(self, endpoint, millrace, sender, told, data):
        """The chunk is queued; a start delivers it with the id, key and bytes it had."""
        (row,) = self.rows(*self.config(millrace))
        self.assertEqual((row["chunk_id"], row["state"], row["records"]),
                         (dashed(told["chunk_id"]), "queued", told["records"]))
        self.tool("verify", *self.config(millrace))
        requests = len(endpoint.requests())
        millrace.start()
        millrace.wait_idle()
        until(endpoint.is_quiet, "the endpoint has answered")
        (entry,) = endpoint.requests(requests)
        self.assertEqual(entry.key, told["partition_key"])
        ((_, record),) = endpoint.records()
        self.assertEqual((record.key, bytes(record.data)), (told["partition_key"], data))
        self.assert_all_well(endpoint, [sender])
        self.assertEqual(millrace.dead(), {})
        lines = [line for positions in millrace.positions().values() for line in positions.lines
                 if line.chunk_id == told["chunk_id"] and line.kind in "CD"]
        self.assertEqual([line.kind for line in lines], ["D", "C"])
        self.assertLess(lines[0].chunk_seq, lines[1].chunk_seq)

    def test_requeue_of_a_refused_chunk(self):
        for name, options in (("random", {}), ("fixed", {"fixed_partition_key": "f\u00efxed"}),
                              ("fluentd", {"kpl_compat": "fluentd"})):
            with self.subTest(name):
                endpoint, millrace, sender, path = self.refused_chunk(name=name, **options)
                told, data = millrace.dead()[path]
                chunk = dashed(told["chunk_id"])
                # Not while the service runs.
                before = millrace.positions()
                for words in (("requeue", chunk), ("requeue", "--all"),
                              ("dead-letter", "rm", "--yes", chunk)):
                    error = self.errors(*words, *self.config(millrace), code=LOCKED)
                    self.assertIn(f"held by pid {millrace.pid};", error)
                    self.assertIn(os.path.dirname(os.path.dirname(path)), error)
                self.assertEqual(set(millrace.dead()), {path})
                self.assertEqual(set(before), set(millrace.positions()))
                self.assertEqual(millrace.stop(), 0)
                done = self.tool("requeue", "--all", "--reason", "retry_limit",
                                 *self.config(millrace))
                self.assertEqual(done.stdout, b"")
                done = self.tool("requeue", "--all", "--reason", "refused", *self.config(millrace))
                self.assertIn(f"{chunk} requeued, 50 records", done.stdout.decode())
                self.assertEqual(millrace.dead(), {})
                if name == "fluentd":
                    self.check_compat(endpoint, millrace, data)
                else:
                    self.check_requeued(endpoint, millrace, sender, told, data)

    def check_compat(self, endpoint, millrace, data):
        millrace.start()
        millrace.wait_idle()
        ((_, record),) = endpoint.records()
        self.assertEqual(bytes(record.data), data)

    def test_requeue_that_was_killed_before_it_removed_the_dead_letter(self):
        endpoint, millrace, sender, path = self.refused_chunk()
        told, data = millrace.dead()[path]
        millrace.stop()
        saved = self.place("saved")
        for suffix in (".json", ".chunk"):
            shutil.copy(path[:-len(".json")] + suffix, saved)
        self.tool("requeue", told["chunk_id"], *self.config(millrace))
        for name in os.listdir(saved):
            shutil.copy(os.path.join(saved, name), os.path.dirname(path))
        # It is queued already: once is enough.
        self.tool("requeue", told["chunk_id"], *self.config(millrace))
        # So it is when the command was killed between the two files.
        half = path[:-len(".json")] + ".chunk"
        shutil.copy(os.path.join(saved, os.path.basename(half)), os.path.dirname(path))
        told_of = self.tool("requeue", "--all", *self.config(millrace))
        self.assertIn(b"the rest of a dead letter", told_of.stdout)
        self.assertFalse(os.path.exists(half))
        self.assertIn("nothing is to be done", self.errors("requeue", "--all",
                                                           *self.config(millrace), code=0))
        self.check_requeued(endpoint, millrace, sender, told, data)
        # And once it was delivered, it takes --force to send it once more.
        millrace.stop()
        for name in os.listdir(saved):
            shutil.copy(os.path.join(saved, name), os.path.dirname(path))
        error = self.errors("requeue", told["chunk_id"], *self.config(millrace), code=BAD_DATA)
        self.assertIn("it was delivered after it had been put into dead/", error)
        self.assertEqual(set(millrace.dead()), {path})
        self.tool("requeue", "--force", told["chunk_id"], *self.config(millrace))
        millrace.start()
        millrace.wait_idle()
        self.assertEqual([bytes(record.data) for _, record in endpoint.records()], [data, data])
        # Of a .chunk alone nobody knows that what was delivered had the same bytes.
        millrace.stop()
        shutil.copy(os.path.join(saved, os.path.basename(half)), os.path.dirname(path))
        self.assertIn("its .json is missing", self.errors("requeue", "--all",
                                                          *self.config(millrace), code=BAD_DATA))
        self.assertTrue(os.path.exists(half))

    def test_given_up_by_hand_and_back(self):
        endpoint, millrace, sender = self.killed_with_chunks(events=200)
        rows = self.rows(*self.config(millrace))
        chosen = rows[1]["chunk_id"]
        raw = self.tool("cat", "--raw", chosen, *self.config(millrace)).stdout
        done = self.tool("dead-letter", chosen, *self.config(millrace))
        self.assertIn(f"{chosen} is a dead letter now", done.stdout.decode())
        (letter,) = self.rows(*self.config(millrace), command=("dead-letter", "ls"))
        self.assertEqual((letter["chunk_id"], letter["reason"]), (chosen, "by_hand"))
        self.tool("verify", *self.config(millrace))
        self.errors("dead-letter", chosen, *self.config(millrace), code=BAD_DATA)
        millrace.start()
        millrace.wait_idle()
        until(endpoint.is_quiet, "the endpoint has answered")
        sent = {record.key for _, record in endpoint.records()[self.stored_before:]}
        self.assertEqual(sent, {row["chunk_id"] for row in rows} - {chosen})
        millrace.stop()
        self.tool("requeue", chosen, *self.config(millrace))
        millrace.start()
        millrace.wait_idle()
        until(endpoint.is_quiet, "the endpoint has answered")
        self.assertEqual([bytes(record.data) for _, record in endpoint.records()
                          if record.key == chosen][-1], raw)
        self.assert_all_well(endpoint, [sender], repeats=None)

    def test_what_cannot_be_requeued_stays(self):
        for name in ("unmatched", "opaque", "kpl"):
            with self.subTest(name):
                directory = os.path.join(self.place(name), "log")
                golden = Golden(name)
                golden.place_at(directory)
                before = contents(os.path.join(directory, "dead"))
                error = self.errors("requeue", "--all", "--dir", directory, code=BAD_DATA)
                for chunk in golden.dead_before:
                    if os.path.exists(os.path.join(directory, "dead", chunk + ".chunk")):
                        self.assertIn(dashed(chunk), error)
                self.assertEqual(contents(os.path.join(directory, "dead")), before)
        # An oversize event can be sent to a stream with a larger limit.
        (chunk,) = [chunk for chunk in golden.dead_before]
        self.tool("requeue", "--force", chunk, "--dir", directory)
        self.assertIn(dashed(chunk), {row["chunk_id"] for row in self.rows("--dir", directory)
                                      if row["state"] == "queued"})

    def test_damaged_dead_letter_is_not_requeued(self):
        endpoint, millrace, _, path = self.refused_chunk()
        millrace.stop()
        flip(path[:-len(".json")] + ".chunk", 200)
        error = self.errors("requeue", "--all", *self.config(millrace), code=BAD_DATA)
        self.assertIn(path[:-len(".json")] + ".chunk", error)
        self.assertEqual(set(millrace.dead()), {path})
        self.assertEqual(endpoint.records(), [])

    def test_removing(self):
        _, millrace, _, path = self.refused_chunk()
        millrace.stop()
        chunk = os.path.basename(path)[:-len(".json")]
        error = self.errors("dead-letter", "rm", path, *self.config(millrace), code=USAGE)
        self.assertIn("1 dead letters with 50 records", error)
        self.assertEqual(set(millrace.dead()), {path})
        # A path means the letter that lies there, and no other of its id.
        other = os.path.join(self.place("elsewhere"), os.path.basename(path))
        shutil.copy(path, other)
        for name in (other, os.path.join("/nonexistent", os.path.basename(path))):
            error = self.errors("dead-letter", "rm", "--yes", name, *self.config(millrace),
                                code=BAD_DATA)
            self.assertIn("no dead letter " + name, error)
            self.errors("requeue", name, *self.config(millrace), code=BAD_DATA)
        self.assertEqual(set(millrace.dead()), {path})
        self.tool("dead-letter", "rm", "--yes", path, *self.config(millrace))
        self.assertEqual(os.listdir(os.path.dirname(path)), [])
        self.errors("dead-letter", "rm", "--yes", chunk, *self.config(millrace), code=BAD_DATA)
        millrace.start()
        self.assertEqual(millrace.dead(), {})

    def test_files_keep_their_owner(self):
        if os.getuid() != 0:
            raise AssertionError("this test needs root")
        endpoint, millrace, _, path = self.refused_chunk()
        millrace.stop()
        for where, _, names in os.walk(millrace.root):
            for name in [where, *(os.path.join(where, name) for name in names)]:
                os.chown(name, 65534, 65534)
        os.chmod(self.directory, 0o755)
        self.tool("requeue", "--all", *self.config(millrace))
        for where, _, names in os.walk(os.path.dirname(os.path.dirname(path))):
            for name in names:
                self.assertEqual(os.stat(os.path.join(where, name)).st_uid, 65534, name)


class ByHand(ToolCase):
    def logs(self, *names):
        """Golden buffers as the logs of one root_dir: their directories and their queued ids."""
        top, directories, ids = self.place("root"), [], []
        for name in names:
            golden = Golden(name)
            directories.append(os.path.join(top, "worker0", name, "buffer"))
            golden.place_at(directories[-1])
            ids.append([dashed(one["chunk_id"]) for one in golden.queued])
        return top, directories, ids

    def segments(self, directory):
        return {name for name in os.listdir(directory) if name.startswith("seg.")}

    def queued(self, directory):
        return {row["chunk_id"] for row in self.rows("--dir", directory) if row["state"] != "dead"}

    def test_many_at_once(self):
        """One opening of each log is enough for all: it leaves one segment, not one a chunk."""
        top, directories, ids = self.logs("kpl", "kpl-segments", "kpl-fluentd")
        unknown = "0" * 32
        named = [chunk for some in itertools.zip_longest(*ids) for chunk in some if chunk]
        named.insert(2, unknown)
        named.insert(5, "xyz")
        before = [self.segments(directory) for directory in directories]
        done = self.tool("dead-letter", *named, "--dir", top, code=BAD_DATA)
        told = [line.split()[0] for line in done.stdout.decode().splitlines()]
        for one in ids:
            self.assertEqual([chunk for chunk in told if chunk in one],
                             [chunk for chunk in named if chunk in one])
        self.assertEqual(len(told), sum(map(len, ids)))
        self.assertEqual(done.stderr.decode().count("no chunk " + unknown), 1)
        self.assertEqual(done.stderr.decode().count('"xyz" is no chunk id'), 1)
        for directory, there in zip(directories, before):
            self.assertEqual(self.queued(directory), set())
            self.assertLessEqual(len(self.segments(directory) - there), 1)
            self.tool("verify", "--dir", directory)
        error = self.errors("dead-letter", *ids[0], "--dir", top, code=BAD_DATA)
        self.assertEqual(error.count("is not waiting for its delivery any more"), len(ids[0]))

    def test_named_twice(self):
        top, _, ((first, *_),) = self.logs("kpl")
        done = self.tool("dead-letter", first, first, "--dir", top)
        self.assertEqual(done.stdout.count(b"is a dead letter now"), 1)
        self.assertEqual(done.stderr, b"")

    def test_a_log_that_is_held(self):
        top, directories, ids = self.logs("kpl", "kpl-segments")
        before = contents(directories[0])
        with open(os.path.join(directories[0], "LOCK"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            error = self.errors("dead-letter", *ids[0], *ids[1], "--dir", top, code=LOCKED)
        self.assertEqual(error.count("stop that process first"), 1)
        self.assertEqual(self.queued(directories[0]), set(ids[0]))
        self.assertEqual(set(contents(directories[0])) - set(before),
                         {os.path.join(directories[0], "LOCK")})
        self.assertEqual(self.queued(directories[1]), set())

    def test_an_error_of_the_disk_ends_the_work_on_that_log(self):
        top, directories, ids = self.logs("kpl", "kpl-segments")
        name = ids[1][1].replace("-", "") + ".chunk"
        os.makedirs(os.path.join(directories[1], "dead", name))
        done = self.tool("dead-letter", *ids[1], *ids[0], "--dir", top, code=DISK)
        self.assertEqual(self.queued(directories[0]), set())
        self.assertEqual(self.queued(directories[1]), set(ids[1][1:]))
        self.assertIn(f"{len(ids[1]) - 2} more stay as they are", done.stderr.decode())

    def test_without_records(self):
        """A chunk of which no frame can be read: nothing to queue, and no failure of --all."""
        _, (directory,), ((lost, other, *_),) = self.logs("kpl-segments")
        where = ("--dir", directory)
        (told,) = self.rows(lost, *where, command=("show",))
        for frame in told["data_frames"]:
            flip(os.path.join(directory, frame["file"]), frame["offset"] + 40)
        done = self.tool("dead-letter", lost, other, *where)
        counts = f"0 records, {told['records']} are missing"
        self.assertIn(f"{lost} is a dead letter now, {counts}", done.stdout.decode())
        dead = os.path.join(directory, "dead")
        evidence = {path: found for path, found in contents(dead).items()
                    if lost.replace("-", "") in path}
        says = (f"chunk {lost}: it holds no records, {told['records']} are missing; there is "
                "nothing to queue, and millrace buffer dead-letter rm removes it")
        for words, code in ((("--all",), FINE), ((lost,), BAD_DATA), (("--force", lost), BAD_DATA),
                            (("--all",), FINE)):
            self.assertIn(says, self.errors("requeue", *words, *where, code=code))
        self.assertEqual({path: found for path, found in contents(dead).items() if path != dead},
                         evidence)
        self.assertIn(other, self.queued(directory))
        # A .json that tells of records is damaged, whatever its .chunk has.
        path = os.path.join(dead, lost.replace("-", "") + ".json")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace('"records": 0', '"records": 50'))
        self.assertIn("its body is not made of whole records",
                      self.errors("requeue", "--all", *where, code=BAD_DATA))
        self.tool("dead-letter", "rm", "--yes", lost, *where)
        self.assertEqual(os.listdir(dead), [])


class Arguments(ToolCase):
    def test_errors(self):
        empty = self.place("empty")
        log = os.path.join(self.place("golden"), "log")
        Golden("kpl").place_at(log)
        for words, code, told in (
                (("ls", "--dir", empty), BAD_DATA, "there is no buffer here"),
                (("ls", "--dir", os.path.join(empty, "no")), BAD_DATA, "empty/no"),
                (("ls", "-c", os.path.join(empty, "no.toml")), 78, "no.toml"),
                (("cat", "xyz", "--dir", log), USAGE, "is no chunk id"),
                (("cat", "60a2", "--dir", log), USAGE, "is no chunk id"),
                (("cat", "60a241", "--dir", log), USAGE, "several chunks begin with 60a241"),
                (("cat", "0" * 32, "--dir", log), BAD_DATA, "no chunk " + "0" * 32),
                (("cat", os.path.join(log, "dead", "x.chunk")), BAD_DATA, "x.chunk"),
                (("ls", "--output", "nobody", "--dir", log), BAD_DATA, "nobody"),
                (("requeue", "--dir", log), USAGE, "name the dead letters, or give --all"),
                (("requeue", "--all", "60a241", "--dir", log), USAGE, "name the dead letters"),
                (("requeue", "0" * 32, "--dir", log), BAD_DATA, "no dead letter"),
                (("dead-letter", "--dir", log), USAGE, "name the chunks"),
                (("ls", "--state", "odd", "--dir", log), USAGE, "--state"),
                (("frobnicate",), USAGE, "millrace buffer"), ((), USAGE, "millrace buffer")):
            with self.subTest(" ".join(words)):
                self.assertIn(told, self.errors(*words, code=code))

    def test_logs_of_a_configuration(self):
        """Those with a path of their own, of workers, and what an earlier configuration left."""
        endpoint = self.endpoint()
        path = self.place("own")
        millrace = self.millrace(
            [kinesis_match(endpoint.url, id="own", buffer={"path": path}) | {"pattern": "own.**"},
             kinesis_match(endpoint.url, id="to_kinesis")], system={"workers": 2})
        left = os.path.join(millrace.root, "worker7", "gone", "buffer")
        Golden("kpl").place_at(left)
        places = {(one["output"], one["worker"]): one["directory"]
                  for one in self.rows(*self.config(millrace), command=("stats",))}
        self.assertEqual(set(places), {("own", "0"), ("own", "1"), ("to_kinesis", "0"),
                                       ("to_kinesis", "1"), ("unmatched", "0"), ("unmatched", "1"),
                                       ("gone", "7")})
        self.assertEqual(places[("own", "1")], os.path.join(path, "worker1"))
        rows = self.rows("--output", "gone", *self.config(millrace))
        self.assertGreater(len(rows), 0)
        self.assertEqual({row["directory"] for row in rows}, {left})
        # A secret that only the service has is no reason not to look.
        with open(millrace.config_path, "a", encoding="utf-8") as file:
            file.write('[source.security]\nshared_key = "${ONLY_THE_SERVICE_HAS_IT}"\n')
        done = self.tool("stats", *self.config(millrace))
        self.assertIn("--dir", done.stderr.decode())
        self.assertIn(left, done.stdout.decode())


if __name__ == "__main__":
    cases.main(__file__)
