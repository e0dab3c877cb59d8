// SPDX-License-Identifier: Apache-2.0
#include "app/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/unique_fd.h"

namespace millrace::app {
namespace {

// A datagram socket under a name as $NOTIFY_SOCKET has it.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() { ::unsetenv("NOTIFY_SOCKET"); }

  std::string heard() {
    char bytes[256];
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    return got < 0 ? std::string("nothing") : std::string(bytes, static_cast<size_t>(got));
  }

 private:
  const UniqueFd fd_;
};

TEST(ServiceManager, HearsUnderAPath) {
  const std::string path =
      testing::TempDir() + "millrace-notify-" + std::to_string(::getpid()) + ".sock";
  Manager manager(path);
  tell_service_manager("READY=1");
  EXPECT_EQ(manager.heard(), "READY=1");
  ::unlink(path.c_str());
}

TEST(ServiceManager, HearsUnderAnAbstractName) {
  Manager manager("@millrace-notify-" + std::to_string(::getpid()));
  tell_service_manager("STOPPING=1");
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(ServiceManager, NobodyIsNoFault) {
  for (const std::string& name :
       {std::string(), std::string("relative"), std::string("/nonexistent/notify"),
        "/" + std::string(300, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    tell_service_manager("READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
  tell_service_manager("READY=1");
}

}  // namespace
}  // namespace millrace::app
