// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the connections of one listener share: where messages go, limits, counters, the block that
// sockets are read into, and lists of connections that the listener sees to at the end of the turn.
// Connections write their ids there; only the listener acts on them, so no connection is ended or
// handed a message from inside a call that came from itself or from the receiver.
// Loop thread; outlives the connections.

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "config/model.h"
#include "event/loop.h"
#include "input/forward/authenticator.h"
#include "input/forward/handshake_message.h"
#include "input/forward/inflate.h"
#include "input/forward/json_rewriter.h"
#include "input/forward/kept_payload.h"
#include "input/forward/message.h"
#include "input/forward/message_reader.h"
#include "input/forward/newcomers.h"
#include "input/forward/receive_buffer.h"
#include "input/forward/receive_memory.h"
#include "input/forward/source_limits.h"
#include "metrics/metrics.h"

namespace millrace::input {

/// How clients are let in.
struct Gate {
  const Authenticator* authenticator = nullptr;  // none: whoever connects may send
  std::function<Challenge()> new_challenge = random_challenge;
};

struct ConnectionContext {
  static constexpr size_t kReadBytes = size_t{256} << 10;
  /// The begin of a message up to this size is put before the next read instead of the other way
  /// round, so that many small messages in one read are not copied for the sake of one.
  static constexpr size_t kHeadroomBytes = size_t{32} << 10;

  ConnectionContext(event::Loop& its_loop, Receiver& its_receiver, metrics::Cells& its_cells,
                    config::ForwardSource its_source, uint64_t its_ack_deadline_ms, Gate its_gate,
                    std::function<void()> at_end_of_turn)
      : loop(its_loop),
        receiver(its_receiver),
        cells(its_cells),
        source(std::move(its_source)),
        ack_deadline_ms(its_ack_deadline_ms),
        gate(std::move(its_gate)),
        inflater(source.decompression_size_limit, source.decompression_ratio_limit),
        memory(source.receive_memory_limit),
        sources(source.connection_limit_per_source),
        read_block(pool.take(kHeadroomBytes + kReadBytes)),
        end_of_turn(loop, event::TurnStage::kInput, std::move(at_end_of_turn)) {}

  char* read_area() const { return read_block.memory.get() + kHeadroomBytes; }
  ReaderTools tools(uint64_t connection) { return {inflater, json, kept_payload.of(connection)}; }
  /// What was kept of the connection's message is not wanted any more.
  void drop_payload(uint64_t connection) {
    if (!kept_payload.drop(connection)) return;
    offer_kept = true;
    end_of_turn.request();
  }

  event::Loop& loop;
  Receiver& receiver;
  metrics::Cells& cells;
  const config::ForwardSource source;
  const uint64_t ack_deadline_ms;
  const Gate gate;
  Inflater inflater;
  JsonRewriter json;
  KeptPayload kept_payload;
  bool offer_kept = false;  // kept messages are to be offered at the end of the turn
  BufferPool pool;
  ReceiveMemory memory;
  SourceLimits sources;
  Newcomers newcomers;
  Block read_block;
  std::vector<uint64_t> attention;  // have acks due, work to go on with, or are gone
  std::deque<uint64_t> waiting;     // keep a message that the receiver had no room for
  event::EndOfTurn end_of_turn;
};

}  // namespace millrace::input
