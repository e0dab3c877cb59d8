// SPDX-License-Identifier: Apache-2.0
#include "output/output.h"

#include "aws/environment.h"
#include "output/kinesis/kinesis_output.h"
#include "output/local/local_output.h"

namespace millrace::output {

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCommitted:
      return "committed";
    case Outcome::kThrottled:
      return "throttled";
    case Outcome::kAmbiguous:
      return "ambiguous";
    case Outcome::kUnavailable:
      return "unavailable";
    case Outcome::kNotAuthorized:
      return "not_authorized";
    case Outcome::kRejected:
      return "rejected";
  }
  return "unknown";
}

Result<std::unique_ptr<Output>> make_output(const config::Match& match,
                                            const config::System& system) {
  switch (match.type) {
    case config::OutputType::kKinesisAggregation:
      return make_kinesis_output(match, aws::process_environment());
    case config::OutputType::kLocal:
      return make_local_output(match, system);
  }
  return fail(ErrorKind::kInvalid, "an output of unknown type");
}

}  // namespace millrace::output
