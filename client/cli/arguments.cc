#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <utility>

#include "base/nearest.h"
#include "base/status.h"
#include "cli/bench_arguments.h"
#include "cli/server_arguments.h"
#include "cli/values.h"

namespace tensorferry::cli {
namespace {

constexpr const char* kAbout = R"(Examples:
  tensorferry convert x.npy                      dtype and every bit proven
  tensorferry convert *.npz --json               for programs, one object per file
  tensorferry convert weights.npy --dtype bfloat16   what NumPy saved as <V2
  tensorferry convert model.safetensors          every tensor of the file
  tensorferry convert weights.npz:layer1/bias    one array of a file
  tensorferry infer resnet --input image=x.npy -o outputs.npz
  tensorferry ping --server 10.0.0.7:8001        for probes: exit code 0 once models are loaded
  tensorferry models && tensorferry model resnet what the server has, and all of one model
  tensorferry top                                what models do, live
  tensorferry bench --mode stream --size 64B,1MiB --outstanding 32

Converts NumPy arrays to torch tensors on a tensorferry server.)";

constexpr const char* kExitCodes = R"(Exit codes: 0 ok, 2 usage, 3 file not readable as arrays, 4 server unreachable,
  5 refused by the server, 6 deadline, 7 dtype or digest not equal, 70 internal)";

constexpr std::chrono::milliseconds kLeastInterval{50};
constexpr int kMostRetries = 1000;

struct Subcommand {
  Command command;
  const char* name;
  const char* about;
  CLI::App* app = nullptr;
};

std::vector<Subcommand> Subcommands() {
  return {
      {Command::kConvert, "convert", "convert arrays, and compare the tensors with them"},
      {Command::kInfer, "infer", "run a model on arrays, each bound to an input by name"},
      {Command::kInspect, "inspect", "show what a file holds, without a server"},
      {Command::kModels, "models", "list the server's models"},
      {Command::kModel, "model", "show all of one model: versions, tensors, configuration, statistics"},
      {Command::kLoad, "load", "have the server load a model of its repository, or load it anew"},
      {Command::kUnload, "unload", "have the server take a model out of service"},
      {Command::kStats, "stats", "show what models have done since they were loaded"},
      {Command::kTop, "top", "watch what models do, live, or as lines for other programs"},
      {Command::kInfo, "info", "show the server's version, limits and dtypes"},
      {Command::kPing, "ping", "ask whether the server is ready; exit code 0 if so, else 4"},
      {Command::kBench, "bench", "load a server and measure latency and throughput"},
      {Command::kVersion, "version", "print the version of this command"},
  };
}

// Words holds options that are still text, to be parsed.
struct Words {
  ServerWords server;
  BenchWords bench;
  std::vector<std::string> inputs;
  std::string interval = "2s";
  std::optional<std::uint64_t> count;
  std::string metrics;
};

void AddDTypeOption(CLI::App& app, Arguments& arguments) {
  app.add_option("--dtype", arguments.dtype, "what arrays saved as <V2, |V1 or <W4 hold: bfloat16, float8_e4m3fn, ...")
      ->type_name("NAME");
}

void AddFileOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("FILE", arguments.files,
                 ".npy, .npz or safetensors, or one array of it as FILE:ARRAY; - is standard input")
      ->required();
  AddDTypeOption(app, arguments);
}

void AddPingOptions(CLI::App& app, Arguments& arguments) {
  CLI::Option* const service =
      app.add_option("--service", arguments.service, "tensorferry.v1.TensorService, model:NAME, ...");
  service->type_name("NAME");
  CLI::Option* const live = app.add_flag_callback(
      "--live", [&arguments] { arguments.service = ""; },
      "ask only whether the server lives, as it does while models load");
  app.add_flag_callback(
         "--ready", [&arguments] { arguments.service = kReadiness; },
         "ask whether models are loaded, and the server is not stopping (the default)")
      ->excludes(service)
      ->excludes(live);
  live->excludes(service);
}

void AddConvertOptions(CLI::App& app, Arguments& arguments, Words& words) {
  AddTransportOption(app, words.server);
  app.add_flag("--strict", arguments.strict, "refuse whatever torch.from_numpy refuses");
  app.add_option("--retries", arguments.retries,
                 "times to try again what the server refuses for now, when it says that it may help (default 0)")
      ->type_name("N");
  app.add_option("-o,--output", arguments.output, "save the model's outputs, or without a model the tensors")
      ->type_name("OUT.npz|OUT.safetensors|DIR");
}

void AddLoadOptions(CLI::App& app, Arguments& arguments, Words& words) {
  AddTransportOption(app, words.server);
  CLI::Option* const input =
      app.add_option("--input", words.inputs,
                     "send the arrays of a file, to a model's inputs of these names or to NAME; repeatable")
          ->type_name("FILE|NAME=FILE")
          ->allow_extra_args(false);
  AddBenchOptions(app, words.bench, input);
  app.add_option("--csv", arguments.csv, "write the figures of each measurement as comma-separated values")
      ->type_name("FILE");
  app.add_option("--plot", arguments.plot, "draw requests per second and latencies as SVG")->type_name("FILE.svg");
  app.add_option("--dtype", arguments.dtype,
                 "of the arrays (default: the model's, else float32); with --input, what <V2 holds")
      ->type_name("NAME");
  app.add_option("--model", arguments.model, "run a model on what is sent; without --input, one of one input")
      ->type_name("NAME");
}

void AddTopOptions(CLI::App& app, Words& words) {
  app.add_option("--interval", words.interval, "between two reports (default 2s)")->type_name("DURATION");
  app.add_option("--count", words.count, "reports, then end (default: until Ctrl-C)")->type_name("N");
  app.add_option("--metrics", words.metrics,
                 "http://HOST:PORT of --admin-listen or --http-listen: shows quantiles, memory and refusals, too")
      ->type_name("URL");
}

// AddOptionsOf adds the options that the command has beside those of all.
void AddOptionsOf(Command command, CLI::App& app, Arguments& arguments, Words& words) {
  const auto model = [&] { return app.add_option("MODEL", arguments.model, "name of a model")->type_name(""); };
  switch (command) {
    case Command::kConvert:
      AddFileOptions(app, arguments);
      app.add_option("--model", arguments.model, "run a model on all arrays of all files, as one request")
          ->type_name("NAME");
      return AddConvertOptions(app, arguments, words);
    case Command::kInfer:
      model()->required();
      app.add_option("--input", words.inputs,
                     "bind the array of a file, or FILE:ARRAY, to an input of the model; repeatable")
          ->type_name("NAME=FILE")
          ->allow_extra_args(false)
          ->required();
      AddDTypeOption(app, arguments);
      return AddConvertOptions(app, arguments, words);
    case Command::kInspect: return AddFileOptions(app, arguments);
    case Command::kModel:
    case Command::kLoad:
    case Command::kUnload: model()->required(); return;
    case Command::kStats: model(); return;
    case Command::kTop: return AddTopOptions(app, words);
    case Command::kPing: return AddPingOptions(app, arguments);
    case Command::kBench: return AddLoadOptions(app, arguments, words);
    case Command::kHelp:
    case Command::kModels:
    case Command::kInfo:
    case Command::kVersion: return;
  }
}

const char* WhatHasTimeout(Command command) {
  switch (command) {
    case Command::kBench: return "for answers that are missing at the end (default 10s)";
    case Command::kLoad:
    case Command::kUnload: return "until it is done: 30s, 2m (default: none)";
    default: return "of each call: 500ms, 30s, 2m";
  }
}

std::vector<Subcommand> AddSubcommands(CLI::App& app, Arguments& arguments, Words& words) {
  std::vector<Subcommand> subcommands = Subcommands();
  for (Subcommand& each : subcommands) {
    each.app = app.add_subcommand(each.name, each.about);
    each.app->allow_extras();
    if (each.command == Command::kVersion) continue;
    each.app->add_flag("--json", arguments.json, "print JSON");
    if (each.command != Command::kInspect) {
      AddServerOptions(*each.app, arguments, words.server, WhatHasTimeout(each.command));
    }
    AddOptionsOf(each.command, *each.app, arguments, words);
  }
  return subcommands;
}

absl::Status Usage(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::Status Unknown(std::string_view what, const std::string& word, const std::vector<std::string>& known) {
  const auto nearest = Nearest(word, {known.begin(), known.end()});
  return Usage(fmt::format("unknown {} {}; {}", what, Quote(word),
                           nearest ? fmt::format("did you mean {}?", *nearest) : "see --help"));
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// `-:ARRAY` is an array of standard input, which CLI11 would take for an option. A byte that no word can have hides it.
constexpr char kHidden = '\0';

// Returns the words from the back, as CLI11 takes them.
std::vector<std::string> Reversed(std::span<const std::string> words) {
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  for (std::string& word : reversed) {
    if (word.starts_with("-:")) word.insert(word.begin(), kHidden);
  }
  return reversed;
}

void Unhide(std::string& word) {
  if (word.starts_with(kHidden)) word.erase(0, 1);
}

// CheckExtras reports words that neither the program nor the subcommand knows.
absl::Status CheckExtras(const CLI::App& app, const std::vector<Subcommand>& subcommands) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const CLI::App& owner = chosen.empty() ? app : *chosen.front();
  const std::vector<std::string> extras = app.remaining(/*recurse=*/true);
  if (extras.empty()) return chosen.empty() ? Usage("a command is missing; see --help") : absl::OkStatus();
  std::string word = extras.front();
  Unhide(word);
  if (word.starts_with('-')) return Unknown("option", word.substr(0, word.find('=')), OptionNames(owner));
  if (!chosen.empty()) return Usage(fmt::format("unexpected argument {}", Quote(word)));
  std::vector<std::string> names;
  for (const Subcommand& each : subcommands) names.emplace_back(each.name);
  return Unknown("command", word, names);
}

bool IsStandardInput(const std::string& file) { return file == "-" || file.starts_with("-:"); }

absl::Status CheckValues(const Arguments& arguments) {
  if (arguments.retries < 0 || arguments.retries > kMostRetries) {
    return Usage(fmt::format("--retries {} is not a number from 0 to {}", arguments.retries, kMostRetries));
  }
  if (arguments.output.ends_with(".npy"))
    return Usage("-o takes OUT.npz, OUT.safetensors, or a directory for the .npy files");
  if (std::ranges::count_if(arguments.files, IsStandardInput) +
          std::ranges::count_if(arguments.inputs, IsStandardInput, &NamedFile::file) >
      1) {
    return Usage("standard input (-) can be read only once");
  }
  return absl::OkStatus();
}

// ParseInputs reads `NAME=FILE`, and if `names_optional`, `FILE`.
absl::Status ParseInputs(const std::vector<std::string>& words, bool names_optional, Arguments& arguments) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos && names_optional) {
      arguments.inputs.push_back({.name = "", .file = word});
      continue;
    }
    if (equals == 0 || equals == std::string::npos || equals + 1 == word.size()) {
      return Usage(fmt::format("--input {}: expected NAME=FILE, the name of an input and its file", Quote(word)));
    }
    NamedFile input{.name = word.substr(0, equals), .file = word.substr(equals + 1)};
    if (std::ranges::count(arguments.inputs, input.name, &NamedFile::name) > 0) {
      return Usage(fmt::format("--input {}: the input is named twice, expected once", Quote(input.name)));
    }
    arguments.inputs.push_back(std::move(input));
  }
  return absl::OkStatus();
}

// ParseMetrics reads an address, which may have the path, too.
absl::Status ParseMetrics(const std::string& url, Arguments& arguments) {
  if (url.empty()) return absl::OkStatus();
  arguments.metrics = fetch::ParseHttpTarget(url);
  if (!arguments.metrics) {
    return Usage(fmt::format("--metrics {}: expected http://HOST:PORT or https://HOST:PORT", Quote(url)));
  }
  if (arguments.metrics->path == "/") arguments.metrics->path = "/metrics";
  return absl::OkStatus();
}

absl::Status FinishBench(Arguments& arguments, const BenchWords& words) {
  TENSORFERRY_ASSIGN_OR_RETURN(arguments.bench, ParseBenchOptions(words));
  if (arguments.timeout.count() > 0) arguments.bench.patience = arguments.timeout;
  if (arguments.transport == client::Transport::kSealed && arguments.bench.mode == BenchMode::kChunks) {
    return Usage("--transport sealed sends no chunks; take --mode unary or stream");
  }
  if (!arguments.plot.empty() && !arguments.plot.ends_with(".svg")) return Usage("--plot takes FILE.svg");
  if (arguments.dtype.empty() && arguments.model.empty() && arguments.inputs.empty()) arguments.dtype = "float32";
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Arguments> ParseArguments(std::span<const std::string> words) {
  Arguments arguments;
  Words given;
  CLI::App app(kAbout, "tensorferry");
  app.footer(kExitCodes);
  app.allow_extras();
  bool version = false;
  app.add_flag("--version", version, "print the version of this command");
  const std::vector<Subcommand> subcommands = AddSubcommands(app, arguments, given);
  try {
    app.parse(Reversed(words));
    for (auto* const list : {&arguments.files, &given.inputs}) std::ranges::for_each(*list, Unhide);
  } catch (const CLI::CallForHelp&) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    arguments.help = chosen.empty() ? app.help() : chosen.front()->help("tensorferry");
    return arguments;
  } catch (const CLI::ParseError& error) {
    TENSORFERRY_RETURN_IF_ERROR(CheckExtras(app, subcommands));
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    if (chosen.empty()) return Usage(error.what());
    return Usage(fmt::format("{}; see tensorferry {} --help", error.what(), chosen.front()->get_name()));
  }
  if (version && app.get_subcommands().empty()) {
    arguments.command = Command::kVersion;
    return arguments;
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckExtras(app, subcommands));
  TENSORFERRY_RETURN_IF_ERROR(ParseServerOptions(given.server, arguments));
  TENSORFERRY_ASSIGN_OR_RETURN(arguments.interval, ParseTimeOption("--interval", given.interval, kLeastInterval));
  const auto parsed = std::ranges::find_if(subcommands, [](const Subcommand& each) { return each.app->parsed(); });
  arguments.command = parsed->command;
  if (given.count == 0) return Usage("--count 0 is not a number from 1");
  arguments.count = given.count.value_or(0);
  TENSORFERRY_RETURN_IF_ERROR(ParseMetrics(given.metrics, arguments));
  TENSORFERRY_RETURN_IF_ERROR(ParseInputs(given.inputs, arguments.command == Command::kBench, arguments));
  TENSORFERRY_RETURN_IF_ERROR(CheckValues(arguments));
  if (arguments.command == Command::kBench) TENSORFERRY_RETURN_IF_ERROR(FinishBench(arguments, given.bench));
  return arguments;
}

}  // namespace tensorferry::cli
