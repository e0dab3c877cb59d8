// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tells the service manager that started this process (systemd, Type=notify) how far it is, by the
// protocol of sd_notify(3): one datagram of KEY=value lines to the socket that $NOTIFY_SOCKET
// names. Without that variable nothing happens. Nobody there to hear it is no reason to fail, so
// there is no result. Main thread.

#include <string_view>

namespace millrace::app {

/// Sends `state`, such as "READY=1".
void tell_service_manager(std::string_view state);

}  // namespace millrace::app
