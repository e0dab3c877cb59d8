// SPDX-License-Identifier: Apache-2.0
#include "admin/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace millrace::admin {
namespace {

TEST(Status, IsOneLineOfJson) {
  Status status;
  status.version = "0.1.0";
  status.pid = 7;
  status.state = State::kRunning;
  status.sources = {
      {.id = "forward", .type = "forward", .bind = "::", .port = 24224, .connections = 2}};
  status.outputs = {{.id = "out",
                     .type = "local",
                     .workers = {{.worker = 1,
                                  .staged_chunks = 2,
                                  .queued_chunks = 3,
                                  .in_flight = 4,
                                  .staged_bytes = 5,
                                  .queued_bytes = 6,
                                  .segments = 7,
                                  .disk_bytes = 8,
                                  .state = "ready",
                                  .last_error = "a \"b\"\n"}}}};
  status.left_buffers = {"/gone"};
  status.resident_bytes = 9;
  status.pools = {{.name = "receive", .unit = "bytes", .used = 10, .limit = 11},
                  {.name = "queued", .unit = "chunks", .used = 12, .limit = std::nullopt}};
  EXPECT_EQ(
      status_json(status),
      R"({"version":"0.1.0","pid":7,"state":"running",)"
      R"("sources":[{"id":"forward","type":"forward","bind":"::","port":24224,"connections":2}],)"
      R"("outputs":[{"id":"out","type":"local","workers":[{"worker":1,"staged_chunks":2,)"
      R"("queued_chunks":3,"in_flight":4,"staged_bytes":5,"queued_bytes":6,"segments":7,)"
      R"("disk_bytes":8,"state":"ready","last_error":"a \"b\"\n"}]}],)"
      R"("left_buffers":["/gone"],"memory":{"resident_bytes":9,"pools":[)"
      R"({"name":"receive","unit":"bytes","used":10,"limit":11},)"
      R"({"name":"queued","unit":"chunks","used":12,"limit":null}]}})"
      "\n");
}

TEST(Status, TellsTheBreakerOfAnOutput) {
  Status status;
  status.outputs = {{.id = "out", .type = "local", .breaker = BreakerStatus{}}};
  BreakerStatus& breaker = *status.outputs[0].breaker;
  breaker = {.state = "open",
             .since_ms = 1,
             .next_probe_ms = 2,
             .opens = 3,
             .probes = 4,
             .last_error = "no route"};
  const auto json = nlohmann::json::parse(status_json(status));
  EXPECT_EQ(json["outputs"][0]["breaker"],
            nlohmann::json::parse(R"({"state":"open","since_ms":1,"next_probe_ms":2,"opens":3,)"
                                  R"("probes":4,"last_error":"no route"})"));
}

TEST(Status, EmptyListsAreLists) {
  const auto json = nlohmann::json::parse(status_json(Status{}));
  EXPECT_TRUE(json["sources"].is_array());
  EXPECT_TRUE(json["outputs"].is_array());
  EXPECT_TRUE(json["memory"]["pools"].is_array());
  EXPECT_EQ(json["state"], "recovering");
}

TEST(Status, BadBytesDoNotBreakIt) {
  Status status;
  status.outputs = {{.id = "o", .type = "local", .workers = {{.last_error = "\xff\x00x"}}}};
  const auto json = nlohmann::json::parse(status_json(status), nullptr, false);
  EXPECT_FALSE(json.is_discarded());
}

}  // namespace
}  // namespace millrace::admin
