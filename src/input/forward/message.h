// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the forward input hands over, and what it is told in return. The input knows neither routes
// nor the buffer: it gives a whole message to a Receiver and writes the ack when it is told that
// the message is stored. All on the loop thread that owns the connection. Invariant: every accepted
// message is answered exactly once, by stored() or failed().

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::input {

enum class Mode : uint8_t { kMessage, kForward, kPacked, kCompressed, kJson };

/// How `entries` is laid out. kEntries: entries back to back, each [time, record] or
/// [[time, metadata], record]. kPair: one event as time, then record, without the array around it.
enum class Shape : uint8_t { kEntries, kPair };

/// A place in each connection that is the receiver's own; the input only keeps it.
struct ConnectionNote {
  std::array<char, 16> key{};  // of the last message
  bool key_used = false;
  // Of the message that is stored in parts, or waits:
  uint64_t estimate = 0;             // bytes that storing it, or its next part, may take
  size_t full_log = 0;               // 1 + the number of the log that had no room for it; 0: none
  size_t walked = 0;                 // of its entries, so many bytes have been looked at
  uint64_t entries = 0;              // in them, that may be stored
  bool left_out_told = false;        // a line of the log tells of those that may not
  uint64_t part_cost_max = 0;        // 0: it is not in parts
  std::array<char, 16> parts_key{};  // of the whole message, if it is in parts and has a chunk
  size_t offset = 0;                 // of its entries, so many bytes are stored
  uint64_t request = 0;              // that stored the last of them
  std::vector<std::array<char, 16>> part_keys;
};

/// One forward message. All views end with the call they are passed to.
struct Message {
  Mode mode = Mode::kMessage;
  Shape shape = Shape::kEntries;
  std::string_view tag;      // bytes as received; not always UTF-8
  std::string_view entries;  // MessagePack, decompressed; JSON mode has been rewritten as such
  std::string_view chunk;    // the option `chunk`: a string's bytes, else name and value as sent
  bool has_chunk = false;    // an ack is expected
  uint64_t size_option = 0;  // option `size`; a hint, never trusted
  bool has_size_option = false;
  bool decimals = false;           // an ext of kExtDecimal in a record is an integer beyond 64 bits
  std::string_view peer;           // address of the peer as text, without port
  std::string_view client;         // what it called itself in the handshake; "" without one
  ConnectionNote* note = nullptr;  // of its connection; never null when it is handed over
};

/// Names a message while it is on its way: the connection and its running number there.
struct Ticket {
  uint64_t connection = 0;
  uint64_t message = 0;
};

enum class Verdict : uint8_t {
  kTaken,      // stored() or failed() will follow for this ticket, later on this thread
  kDone,       // nothing had to be stored: answer at once
  kNotNow,     // its log has no room: keep the message, stop reading; after resume() may_take() is
               // asked, and it is unpacked and offered again
  kNoMemory,   // as kNotNow, for memory in which to lay it out: that takes moments
  kInParts,    // as kNoMemory; it will be offered several times: keep what was unpacked of it
  kAgain,      // offer it again in the next turn of the loop, others first; keep as with kInParts
  kMalformed,  // framing inside the entries is lost: close without ack
  kRefused,    // close without ack (overflow_action throw_exception, or storage has failed)
};

/// Where messages go.
class Receiver {
 public:
  virtual ~Receiver() = default;
  /// Takes or refuses one message; never keeps a view.
  virtual Verdict receive(const Message& message, Ticket ticket) = 0;
  /// A message that no attempt will ever decode, with a chunk; `entries` are all its bytes as they
  /// came. kMalformed: close without ack; the others as above.
  virtual Verdict undecodable(const Message& message, Ticket ticket) = 0;
  /// Asked for a message that is kept, and for no other: a large one that waits for memory holds
  /// others up. `note` is its connection's. False: it would be kept again; resume() follows.
  virtual bool may_take(const ConnectionNote& note) = 0;
  /// Asked while a message of `size` bytes or more arrives and memory is short. False: it would
  /// have to wait for its log when it is here; resume() follows.
  virtual bool has_room(std::string_view tag, uint64_t size) = 0;
};

/// The way back, implemented by the listener: called on its own loop thread, never from inside
/// receive(). A ticket whose connection has gone is ignored.
class Replies {
 public:
  virtual ~Replies() = default;
  virtual void stored(Ticket ticket) = 0;  // durable: write the ack, in order
  virtual void failed(Ticket ticket) = 0;  // close the connection without ack
  virtual void resume() = 0;               // room again: offer the kept messages, read on
};

}  // namespace millrace::input
