// SPDX-License-Identifier: Apache-2.0
#pragma once

// TcpStream: one accepted TCP connection. Bytes are read into memory that its owner names for each
// read; what cannot be written at once is kept and written when the socket takes it. Knows nothing
// of protocols. Its end closes the socket; finish() is the polite way before that.
// Loop thread only. The owner and the Loop must outlive it. It must not be ended inside one of the
// owner's callbacks.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "event/handle.h"
#include "event/loop.h"
#include "event/timer.h"

namespace millrace::event {

/// Where the next bytes may be put.
struct ReadBuffer {
  char* data = nullptr;
  size_t size = 0;
};

/// What the owner of a stream is told.
class StreamOwner {
 public:
  /// Called before each read; an empty buffer lets the stream fail with ENOBUFS. While a stream is
  /// finishing, what is read is thrown away.
  virtual ReadBuffer read_buffer() = 0;
  /// `bytes` of the last read_buffer() are filled.
  virtual void on_read(size_t bytes) = 0;
  /// The peer sent its FIN; it may still read.
  virtual void on_end() = 0;
  /// The connection is gone; `errno_value` says how.
  virtual void on_broken(int errno_value) = 0;
  /// All that was written has been taken by the socket.
  virtual void on_written() = 0;
  /// finish() has done its part: nothing more will come or go.
  virtual void on_finished() = 0;

 protected:
  ~StreamOwner() = default;
};

class TcpStream {
 public:
  /// Takes over `fd`, a connected non-blocking socket; null if the kernel takes it back.
  static std::unique_ptr<TcpStream> from_fd(Loop& loop, int fd);
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;
  ~TcpStream();

  void set_owner(StreamOwner* owner) { owner_ = owner; }
  /// The peer's address as text, an IPv4 one without "::ffff:"; "unknown" if it had gone already.
  const std::string& peer_address() const { return peer_address_; }
  bool knows_peer() const { return knows_peer_; }

  void start_reading();
  void stop_reading();
  /// Writes `bytes`, now or when the socket takes them. False: the connection is broken.
  bool write(std::string_view bytes);
  /// Bytes written but not yet taken by the socket.
  size_t queued_bytes() const;

  /// FIN after all queued bytes, then reads and forgets what comes, until the peer's FIN or for
  /// `drain_ms` at most, so that the peer gets what was written before the socket is closed. Ends
  /// with on_finished(), perhaps at once.
  void finish(uint64_t drain_ms);

 private:
  friend class TcpListener;
  explicit TcpStream(Loop& loop);
  /// Options of the socket, the peer's name; after accept.
  void prepare();
  void received(ptrdiff_t size);
  void write_done(int status);
  void shut_down();
  void end_finish();

  Loop& loop_;
  StreamOwner* owner_ = nullptr;
  HandlePtr<uv_tcp_s> handle_;
  std::string peer_address_ = "unknown";
  bool knows_peer_ = false;
  std::unique_ptr<Timer> drain_timer_;  // while finishing
  uint64_t drained_bytes_ = 0;
  bool reading_ = false;
  bool ended_ = false;      // the peer's FIN has come
  bool finishing_ = false;  // finish() was called
  bool finished_ = false;   // on_finished() was called
};

}  // namespace millrace::event
