// SPDX-License-Identifier: Apache-2.0
#pragma once

// Endpoint: where the requests of a service go, and the Host header that is signed. Names follow
// botocore's endpoint-rule-set-1.json and partitions.json. Values; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "aws/environment.h"
#include "base/result.h"

namespace millrace::aws {

struct Endpoint {
  std::string url;   // "https://kinesis.eu-west-1.amazonaws.com/"
  std::string host;  // as in the Host header: with the port unless it is the scheme's own
};

/// `configured`, else AWS_REGION, else AWS_DEFAULT_REGION, checked to be a region's name.
Result<std::string> find_region(const std::string& configured, const Environment& environment);

/// The regional endpoint in the region's partition.
Endpoint regional_endpoint(std::string_view service, std::string_view region);

/// A URL of the user's own: http or https, host or [IPv6], optional port, nothing behind.
Result<Endpoint> custom_endpoint(std::string_view url);

}  // namespace millrace::aws
