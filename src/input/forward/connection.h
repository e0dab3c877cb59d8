// SPDX-License-Identifier: Apache-2.0
#pragma once

// Connection: one client. Where the source has security, it first lets it prove who it is. Reads
// bytes, takes the messages out of them, hands each to the receiver and writes the acks in order.
// It stops reading while the receiver, the memory or the client's own acks leave no room, and
// closes with FIN after the acks that are still due. Loop thread, owned by the listener. It never
// ends itself: see gone(). Invariant: a message is handed over once, unless the receiver answered
// kNotNow.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "event/tcp_stream.h"
#include "input/forward/close_reason.h"
#include "input/forward/connection_context.h"
#include "input/forward/frame_rate.h"
#include "input/forward/handshake.h"
#include "input/forward/message.h"
#include "input/forward/message_reader.h"
#include "input/forward/pending_acks.h"
#include "input/forward/receive_buffer.h"

namespace millrace::input {

class Connection final : private event::StreamOwner {
 public:
  Connection(uint64_t id, std::unique_ptr<event::TcpStream> stream, ConnectionContext& context);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The receiver's answers (Replies).
  void stored(uint64_t message);
  void failed(uint64_t message);

  /// What was left for the end of the turn: acks that are due, bytes that are here already.
  void attend();
  /// The receiver may have room: offers the kept message again, or reads on. False: it was unpacked
  /// in vain.
  bool offer_again();
  /// It may read on after it had to wait for receive memory.
  void memory_granted();
  /// Deadlines; to be called a few times in frame_timeout.
  void tick();

  /// For a stop: finishes if nothing is under way and nothing has come since the last call.
  void finish_if_quiet();
  /// For a stop: the message that is on its way is the last one.
  void finish_after_message();
  /// For a stop: no further messages; finishes when those handed over are answered.
  void cut_off();

  /// Closes at once, because another client needs the place of one that has shown nothing.
  void make_room();

  /// Nothing more will happen: the listener may end it.
  bool gone() const { return state_ == State::kGone; }

 private:
  enum class State : uint8_t {
    kOpen,
    kEnded,      // the client's FIN has come; what it sent is still dealt with
    kClosing,    // decided to close: only answers to earlier messages are awaited
    kFinishing,  // our FIN is on its way
    kGone
  };
  // Why reading stands still; several may hold at once.
  enum Pause : uint8_t {
    kForRoom = 1,
    kForMemory = 2,
    kForAcks = 4,
    kForWriting = 8,
    kForTurn = 16,  // to be judged, in a handshake
    kForWork = 32   // the others come first: much was unpacked for it in this turn of the loop
  };

  event::ReadBuffer read_buffer() override;
  void on_read(size_t bytes) override;
  void on_end() override;
  void on_broken(int errno_value) override;
  void on_written() override;
  void on_finished() override;

  bool takes_messages() const { return state_ == State::kOpen || state_ == State::kEnded; }
  void begin_handshake();
  size_t shake_hands(std::string_view bytes);
  bool take_turn();
  void turn_came();
  void prove();
  size_t take_messages(std::string_view bytes);
  bool offer(const Step& step, std::string_view frame);
  void leave_out(const Step& step);
  bool give_up(const Step& step, CloseReason reason, std::string_view frame);
  Message message_of(const Step& step);
  bool act_on(Verdict verdict, const Step& step);
  void keep(Verdict verdict, const Decoded& decoded);
  void wait_for_turn(const Decoded& decoded);
  void accept(const Step& step, bool settled);
  void work_on_buffer();
  void after_work();
  void account();
  void ask_for_memory();
  void wait_for_memory();
  bool its_log_has_room();
  bool worth_an_offer();
  void flush_acks();
  void close_because(CloseReason reason, const char* protocol = "");
  void end_if_idle(uint64_t now_ms);
  /// Which deadline has passed.
  std::optional<CloseReason> overdue(uint64_t now_ms);
  bool hogs_memory(uint64_t now_ms) const;
  void end_reading();
  void drop_buffer();
  void count_cut_short();
  void finish_when_done();
  void finish();
  void pause(Pause pause);
  void unpause(Pause pause);
  void request_attention();

  const uint64_t id_;
  std::unique_ptr<event::TcpStream> stream_;
  ConnectionContext& context_;
  std::unique_ptr<Handshake> handshake_;  // until it is done; null as well where none is asked for
  std::string client_;                    // what the client called itself in it
  uint64_t turn_ms_ = 0;                  // when it may be judged; 0: no turn was asked for
  ConnectionNote note_;
  MessageReader reader_;
  ReceiveBuffer buffer_;  // bytes not dealt with yet
  PendingAcks pending_;
  State state_ = State::kOpen;
  uint8_t pauses_ = 0;
  bool in_midst_ = false;           // paused kForRoom in the midst of a message; else one is kept
  bool in_unpacked_parts_ = false;  // of the kept message, some are stored
  bool direct_ = false;             // the current read goes into buffer_
  size_t asked_ = 0;                // the bytes it may bring at most
  bool yields_ = false;             // reads on after the others had their turn
  bool attention_ = false;          // its id is in the context's list
  bool last_message_ = false;       // finish_after_message() was called
  bool newcomer_ = true;            // has shown nothing yet
  bool quiet_ = false;              // nothing read since finish_if_quiet()
  size_t accounted_bytes_ = 0;      // what the context's memory knows of
  uint64_t last_read_ns_ = 0;       // when the bytes in buffer_ had all come
  FrameRate frame_rate_;
  const uint64_t opened_ms_;
  uint64_t progress_ms_;           // the client sent something, or may go on sending, since
  uint64_t blocked_since_ms_ = 0;  // written bytes wait for the client to read; 0: none
};

}  // namespace millrace::input
