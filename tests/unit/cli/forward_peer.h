// SPDX-License-Identifier: Apache-2.0
#pragma once

// The other end of a forward connection on 127.0.0.1, in a thread of its own: keeps what it is
// sent and answers each message as told. One connection.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <msgpack.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace millrace::cli {

inline std::string packed_ack(const std::string& chunk) {
  msgpack::sbuffer bytes;
  msgpack::packer<msgpack::sbuffer> packer(bytes);
  packer.pack_map(1).pack(std::string("ack")).pack(chunk);
  return {bytes.data(), bytes.size()};
}

class ForwardPeer {
 public:
  /// What to write for a message with this `chunk` ("" if it has none); "close" ends it all.
  using Answer = std::function<std::string(const std::string& chunk)>;

  explicit ForwardPeer(Answer answer) : answer_(std::move(answer)) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~ForwardPeer() {
    if (!thread_.joinable()) return;
    ::shutdown(listener_.get(), SHUT_RDWR);  // in case that nobody came
    thread_.join();
  }
  ForwardPeer(const ForwardPeer&) = delete;
  ForwardPeer& operator=(const ForwardPeer&) = delete;

  uint16_t port() const { return port_; }
  /// All messages of a client that has come; waits until it has closed.
  const std::vector<msgpack::object_handle>& messages() {
    if (thread_.joinable()) thread_.join();
    return messages_;
  }

 private:
  void serve() {
    const UniqueFd fd(::accept(listener_.get(), nullptr, nullptr));
    msgpack::unpacker unpacker;
    while (fd.valid()) {
      unpacker.reserve_buffer(65'536);
      const ssize_t count = ::read(fd.get(), unpacker.buffer(), 65'536);
      if (count <= 0) return;
      unpacker.buffer_consumed(static_cast<size_t>(count));
      msgpack::object_handle message;
      while (unpacker.next(message)) {
        const std::string answer = answer_(chunk_of(message.get()));
        messages_.push_back(std::move(message));
        if (answer == "close") return;
        // Byte by byte, as a network may deliver it.
        for (const char c : answer) {
          if (::send(fd.get(), &c, 1, MSG_NOSIGNAL) != 1) return;
        }
      }
    }
  }

  static std::string chunk_of(const msgpack::object& message) {
    const msgpack::object& option = message.via.array.ptr[2];
    for (uint32_t i = 0; i < option.via.map.size; ++i) {
      const auto& pair = option.via.map.ptr[i];
      if (pair.key.as<std::string>() == "chunk") return pair.val.as<std::string>();
    }
    return "";
  }

  const Answer answer_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::vector<msgpack::object_handle> messages_;
  std::thread thread_;
};

}  // namespace millrace::cli
