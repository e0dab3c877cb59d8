// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "app/exit_code.h"
#include "base/utf8.h"
#include "buffer/dead_letters.h"
#include "config/load.h"
#include "config/near_match.h"
#include "config/units.h"

namespace millrace::cli {
namespace {

constexpr uint64_t kAckTimeoutMs = 60'000;
constexpr size_t kHelpColumn = 22;
constexpr const char* kAdvice = "`millrace --help` tells the commands.\n";

// The commands in the order of the help text.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.set_help_flag("-h,--help", "print this help");
    app_.set_version_flag("--version", "millrace " MILLRACE_VERSION, "print the version");
    shape(app_);
    app_.footer(
        "`millrace COMMAND --help` tells what a command takes.\n\n"
        "Exit codes:\n"
        "  0   fine\n"
        "  64  wrong arguments\n"
        "  65  input data that cannot be read\n"
        "  69  nobody answers, or the port is taken\n"
        "  70  a bug in millrace\n"
        "  73  a file or directory cannot be made\n"
        "  74  the disk refused\n"
        "  75  another instance holds root_dir\n"
        "  77  no permission\n"
        "  78  a mistake in the configuration");
    add_service_commands();
    add_send();
    add_decode();
    add_control_commands();
    add_buffer();
    add_texts();
  }

  std::variant<Arguments, UsageText> parse(int argc, const char* const* argv) {
    if (argc <= 1) return UsageText{app::kExitUsage, app_.help()};
    const std::string first = argv[1];
    const std::vector<std::string> names = commands();
    if (first[0] != '-' && std::find(names.begin(), names.end(), first) == names.end()) {
      return unknown_command(first);
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return usage(error);
    }
    return arguments_;
  }

 private:
  static void shape(CLI::App& command) {
    const auto formatter = std::make_shared<CLI::Formatter>();
    formatter->column_width(kHelpColumn);
    formatter->label("SUBCOMMAND", "COMMAND");
    formatter->label("Positionals", "Arguments");
    formatter->label("REQUIRED", "");
    command.formatter(formatter);
  }

  // A variable that a script forgot to set must not mean "all of them".
  static CLI::Validator not_empty() {
    return CLI::Validator([](std::string& text) { return text.empty() ? "it is empty" : ""; }, "");
  }

  CLI::App* add(Command command, const char* name, const char* what) {
    CLI::App* const sub = app_.add_subcommand(name, what);
    shape(*sub);
    sub->footer("");
    sub->group("Commands");
    sub->callback([this, command] { arguments_.command = command; });
    return sub;
  }

  void add_config(CLI::App* command) {
    arguments_.config_path = config::kDefaultPath;
    command
        ->add_option("-c,--config", arguments_.config_path,
                     std::string("the configuration (") + config::kDefaultPath + ")")
        ->type_name("FILE")
        ->check(not_empty());
  }

  void add_service_commands() {
    add_config(add(Command::kRun, "run", "run the service in the foreground"));
    add_config(add(Command::kCheck, "check", "look for mistakes in a configuration"));
  }

  void add_send() {
    CLI::App* const send =
        add(Command::kSend, "send", "send JSON lines from stdin to a forward input");
    arguments_.host = "127.0.0.1";
    arguments_.port = 24224;
    arguments_.timeout_ms = kAckTimeoutMs;
    send->add_option("TAG", arguments_.tag, "the tag of the events")
        ->required()
        ->type_name("")
        ->check(CLI::Validator(
            [](std::string& tag) {
              return !tag.empty() && utf8_valid(tag) ? "" : "the tag is empty or not UTF-8";
            },
            ""));
    send->add_option("--host", arguments_.host, "where to send (127.0.0.1)")->type_name("HOST");
    send->add_option("--port", arguments_.port, "its TCP port (24224)")
        ->type_name("PORT")
        ->check(CLI::Range(1, 65535).description(""));
    send->add_flag("--ack", arguments_.ack, "wait for the ack of each batch: then it is on disk");
    send->add_option("--time", arguments_.time,
                     "of the events: seconds since 1970, or RFC 3339 (now)")
        ->type_name("TIME");
    send->add_option_function<std::string>(
            "--timeout",
            [this](const std::string& text) {
              const auto ms = config::parse_duration_ms(text);
              if (!ms || *ms == 0) {
                throw CLI::ValidationError("--timeout",
                                           std::string("allowed: ") + config::kDurationForms);
              }
              arguments_.timeout_ms = *ms;
            },
            "how long to wait for a connection or an ack (60s)")
        ->type_name("DURATION");
    send->footer(
        "Each line is one JSON object. Exit code 65: a line is none, those before it were sent.\n"
        "Exit code 69: not reachable, or an ack is missing.");
  }

  void add_decode() {
    CLI::App* const decode =
        add(Command::kDecode, "decode", "print the events of aggregated Kinesis records");
    decode->add_flag("--meta", arguments_.meta,
                     "print {\"partition_key\",\"sub_sequence\",\"sequence_number\",\"data\"}");
    decode->add_flag("--dedup", arguments_.dedup,
                     "leave out records that were sent again (equal key and bytes)");
    decode->add_option("FILE", arguments_.files, "files to read (stdin)")->type_name("");
    decode->footer(
        "A file is a local stream, the output of `aws kinesis get-records`, or the bytes of one\n"
        "record. Exit code 65: a record was damaged, the others were printed.");
  }

  void add_control_commands() {
    add_socket(add(Command::kFlush, "flush", "ask the service to send what it has buffered"));
    CLI::App* const status = add(Command::kStatus, "status", "what the service is doing");
    add_socket(status);
    status->add_flag("--json", arguments_.json, "print all of it as JSON");
  }

  void add_socket(CLI::App* command) {
    add_config(command);
    command
        ->add_option("--socket", arguments_.socket_path,
                     "its control socket (<root_dir>/control.sock)")
        ->type_name("PATH");
  }

  CLI::App* add_below(CLI::App* above, Command command, const char* name, const char* what) {
    CLI::App* const sub = above->add_subcommand(name, what);
    shape(*sub);
    sub->footer("");
    sub->group("Commands");
    add_config(sub);
    sub->add_option("--dir", arguments_.buffer.directory,
                    "a buffer's directory, or one with buffers below, instead of a configuration")
        ->type_name("PATH")
        ->check(not_empty());
    sub->add_option("--output", arguments_.buffer.output, "only the buffers of this output")
        ->type_name("ID")
        ->check(not_empty());
    // Of a command inside a command the outer one is called last.
    sub->callback([this, sub, command] {
      if (sub->get_subcommands().empty()) arguments_.command = command;
    });
    return sub;
  }

  void add_json(CLI::App* command) {
    command->add_flag("--json", arguments_.json, "print one JSON object a line");
  }
  CLI::Option* add_chunks(CLI::App* command, const char* what) {
    return command->add_option("CHUNK", arguments_.buffer.chunks, what)->type_name("");
  }
  void add_choice(CLI::App* command) {
    add_chunks(command, "ids of dead letters");
    command->add_flag("--all", arguments_.buffer.all, "all dead letters");
    add_reason(command);
  }
  void add_reason(CLI::App* command) {
    const std::vector<std::string> reasons(buffer::kDeadLetterReasons.begin(),
                                           buffer::kDeadLetterReasons.end());
    command->add_option("--reason", arguments_.buffer.reason, "only those of this reason")
        ->check(CLI::IsMember(reasons))
        ->type_name("REASON");
  }

  void add_buffer() {
    CLI::App* const buffer = app_.add_subcommand("buffer", "look into buffers, and mend them");
    shape(*buffer);
    buffer->group("Commands");
    buffer->require_subcommand(1);
    buffer->footer(
        "ls, show, cat, verify and stats change nothing and may be used while the service runs.\n"
        "requeue and dead-letter change a buffer, so the service must be stopped.\n"
        "A chunk is named by its id, or by the first six or more characters of it.");
    add_buffer_views(buffer);
    CLI::App* const requeue = add_below(buffer, Command::kBufferRequeue, "requeue",
                                        "queue dead letters again, with the same id and key");
    add_choice(requeue);
    requeue->add_flag("--force", arguments_.buffer.force,
                      "also what is likely to be refused or was delivered");
    CLI::App* const letter = add_below(buffer, Command::kDeadLetter, "dead-letter",
                                       "give a queued chunk up; ls, rm: dead letters");
    add_chunks(letter, "ids of queued chunks to be moved into dead/");
    CLI::App* const ls =
        add_below(letter, Command::kDeadLetterLs, "ls", "dead letters with their reasons");
    add_json(ls);
    add_reason(ls);
    CLI::App* const rm = add_below(letter, Command::kDeadLetterRm, "rm", "remove dead letters");
    add_choice(rm);
    rm->add_flag("--yes", arguments_.buffer.yes, "really; they are gone for ever");
  }

  void add_buffer_views(CLI::App* buffer) {
    CLI::App* const ls = add_below(buffer, Command::kBufferLs, "ls", "one line for each chunk");
    add_json(ls);
    ls->add_option("--state", arguments_.buffer.state,
                   "staged, queued, dead, damaged, finished or all (all but finished)")
        ->type_name("STATE")
        ->check(CLI::IsMember({"staged", "queued", "dead", "damaged", "finished", "all"})
                    .description(""));
    CLI::App* const show = add_below(buffer, Command::kBufferShow, "show", "all about a chunk");
    add_chunks(show, "ids, or paths of dead letters")->required();
    add_json(show);
    CLI::App* const cat = add_below(buffer, Command::kBufferCat, "cat", "the events of a chunk");
    add_chunks(cat, "ids, or paths of dead letters")->required();
    cat->add_flag("--raw", arguments_.buffer.raw, "the bytes as they are sent");
    add_json(add_below(buffer, Command::kBufferVerify, "verify",
                       "check every checksum; exit code 65: damage was found"));
    add_json(add_below(buffer, Command::kBufferStats, "stats", "sums for each buffer"));
  }

  void add_texts() {
    CLI::App* const describe = add(Command::kDescribe, "describe", "print all options");
    describe->group("");
    arguments_.format = "text";
    describe->add_option("--format", arguments_.format, "text, or toml: the default configuration")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"toml", "text"}).description(""));
    CLI::App* const version = add(Command::kVersion, "version", "print the version");
    version->add_flag("--json", arguments_.json, "print it as JSON");
  }

  std::vector<std::string> commands() {
    std::vector<std::string> names;
    for (const CLI::App* command : app_.get_subcommands({})) names.push_back(command->get_name());
    return names;
  }

  UsageText unknown_command(const std::string& name) {
    const std::string near = config::near_match(name, commands());
    return {app::kExitUsage, "millrace: there is no command \"" + name + "\"" +
                                 (near.empty() ? "" : "; is " + near + " meant?") + "\n" + kAdvice};
  }

  UsageText usage(const CLI::ParseError& error) {
    const CLI::App* innermost = &app_;
    std::string before;  // the words before its name
    while (!innermost->get_subcommands().empty()) {
      before += (before.empty() ? "" : " ") + innermost->get_name();
      innermost = innermost->get_subcommands().front();
    }
    const CLI::App& command = *innermost;
    const bool top = innermost == &app_;
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      const bool version = dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr;
      return {app::kExitFine, version ? std::string(error.what()) + "\n" : command.help(before)};
    }
    const std::string name = top ? "millrace" : before + " " + command.get_name();
    if (top && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
      return {app::kExitUsage, std::string("millrace: a command is missing\n") + kAdvice};
    }
    return {app::kExitUsage,
            name + ": " + error.what() + "\n`" + name + " --help` tells what it takes.\n"};
  }

  CLI::App app_{"Takes events from Fluentd's forward protocol and delivers them to Kinesis.",
                "millrace"};
  Arguments arguments_;
};

}  // namespace

std::variant<Arguments, UsageText> parse_arguments(int argc, const char* const* argv) {
  return CommandLine().parse(argc, argv);
}

}  // namespace millrace::cli
