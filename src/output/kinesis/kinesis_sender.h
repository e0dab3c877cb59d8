// SPDX-License-Identifier: Apache-2.0
#pragma once

// KinesisSender: one flush thread's PutRecord calls: signs, sends, judges. One attempt is one
// request; a second goes out only on a kept connection that had died (http::Client) or when the
// reply showed that our clock is wrong. Retries are the flush thread's business.
// Invariant: every request of one delivery carries the same body.
// put: the owner's thread; interrupt: any. Target and ClockOffset outlive it.

#include <atomic>
#include <cstdint>
#include <string>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/sigv4.h"
#include "config/model.h"
#include "http/client.h"
#include "output/kinesis/error_table.h"
#include "output/kinesis/put_record.h"
#include "output/output.h"

namespace millrace::output {

/// Everything about a stream that its senders share and nobody changes.
struct KinesisTarget {
  std::string stream_name;
  std::string region;
  aws::Endpoint endpoint;
  aws::Credentials credentials;
  http::ClientOptions client;
  config::BodyFormat body_format = config::BodyFormat::kJson;
};

/// Seconds to add to our clock so that it is the service's. Any thread.
class ClockOffset {
 public:
  int64_t seconds() const { return seconds_.load(std::memory_order_relaxed); }
  /// Takes over what a reply's Date says; false if it is no plausible time.
  bool learn(int64_t service_s, int64_t local_s);

 private:
  std::atomic<int64_t> seconds_{0};
};

class KinesisSender final : public Sender {
 public:
  KinesisSender(const KinesisTarget& target, ClockOffset& clock);

  PutResult put(const Delivery& delivery) override;
  void interrupt() noexcept override { client_.interrupt(); }

 private:
  http::Request signed_request();
  PutResult transport_failed(const http::TransportError& error) const;
  PutResult judged(const http::Reply& reply, const PutRecordReply& said,
                   const Judgement& judgement) const;
  std::string described(const http::Reply& reply, const PutRecordReply& said,
                        const Judgement& judgement) const;
  std::string without_secrets(std::string text) const;
  std::string proxy_name() const;

  const KinesisTarget& target_;
  ClockOffset& clock_;
  http::Client client_;
  aws::Signer signer_;
  PutRecordBody body_;
};

}  // namespace millrace::output
