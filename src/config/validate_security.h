// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rules between the options of one [source.security]; part of validate.h. Looks up no names.
// Any thread.

#include "config/model.h"
#include "config/origin.h"
#include "config/report.h"

namespace millrace::config {

/// `source` has security.
void validate_security(const ForwardSource& source, const Origin& origin, Report& report);

}  // namespace millrace::config
