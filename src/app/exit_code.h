// SPDX-License-Identifier: Apache-2.0
#pragma once

// Exit codes, from sysexits.h (BSD), so that service managers and scripts can tell causes apart.

namespace millrace::app {

constexpr int kExitFine = 0;
constexpr int kExitUsage = 64;         // wrong arguments
constexpr int kExitBadData = 65;       // input that cannot be read
constexpr int kExitUnavailable = 69;   // nobody answers, or the address is taken
constexpr int kExitBug = 70;           // an invariant of our own is broken
constexpr int kExitCannotCreate = 73;  // a directory or file cannot be made
constexpr int kExitDisk = 74;          // the disk refused
constexpr int kExitLocked = 75;        // another instance holds root_dir
constexpr int kExitPermission = 77;
constexpr int kExitConfig = 78;

}  // namespace millrace::app
