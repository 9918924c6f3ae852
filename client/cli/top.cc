#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <optional>
#include <thread>
#include <utility>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/live_screen.h"
#include "cli/outcome.h"
#include "cli/overview.h"
#include "cli/scrape.h"
#include "cli/terminal.h"
#include "cli/top_rates.h"

namespace tensorferry::cli {
namespace {

constexpr std::size_t kOtherLines = 5;  // Lines of the screen beside a row for each version.

absl::StatusOr<Look> LookAt(client::Client& client, std::chrono::milliseconds timeout) {
  Look look;
  TENSORFERRY_ASSIGN_OR_RETURN(look.statistics, client.GetStatistics("", timeout));
  look.at = std::chrono::steady_clock::now();
  absl::StatusOr<std::vector<client::ModelInfo>> models = client.ListModels(timeout);
  // A token with the role `metrics` may ask for statistics only.
  if (models.ok()) {
    look.models = *std::move(models);
  } else if (!absl::IsPermissionDenied(models.status())) {
    return models.status();
  }
  return look;
}

using SplitTime = std::tm* (*)(const std::time_t*, std::tm*);

// Returns the time of now in the form of strftime.
std::string NowText(const char* form, SplitTime split) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), form, split(&now, &parts))};
}

// Top prints what happens from one look to the next.
class Top {
 public:
  Top(const Arguments& arguments, client::ConnectOptions options, client::Client client)
      : arguments_(arguments),
        options_(std::move(options)),
        client_(std::move(client)),
        timeout_(arguments.timeout.count() > 0 ? arguments.timeout : client::Client::kQueryTimeout) {}

  absl::Status Run() {
    const LiveScreen screen;
    TENSORFERRY_ASSIGN_OR_RETURN(Look before, TakeLook());
    if (screen.live()) screen.Show(ToText(before, before, screen));
    for (std::uint64_t shown = 0; arguments_.count == 0 || shown < arguments_.count; ++shown) {
      if (std::ferror(stdout) != 0) break;  // Nobody reads any more.
      std::this_thread::sleep_until(before.at + arguments_.interval);
      TENSORFERRY_ASSIGN_OR_RETURN(Look now, TakeLook());
      screen.Show(ToText(before, now, screen));
      before = std::move(now);
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<Look> TakeLook() {
    TENSORFERRY_ASSIGN_OR_RETURN(Look look, LookAt(client_, timeout_));
    if (!arguments_.metrics) return look;
    TENSORFERRY_ASSIGN_OR_RETURN(look.figures, Scrape(arguments_, options_, timeout_));
    return look;
  }

  std::string ToText(const Look& before, const Look& now, const LiveScreen& screen) const {
    const std::vector<Rates> rates = RatesBetween(before, now);
    const double seconds = std::chrono::duration<double>(now.at - before.at).count();
    std::optional<Overview> overview;
    if (before.figures && now.figures) overview = OverviewBetween(*before.figures, *now.figures, seconds);
    if (arguments_.json) {
      const Json json = {{"time", NowText("%Y-%m-%dT%H:%M:%SZ", gmtime_r)},
                         {"server", arguments_.server},
                         {"interval_s", seconds},
                         {"overview", overview ? OverviewJson(*overview) : Json()},
                         {"models", RatesJson(rates)}};
      return JsonText(json) + '\n';
    }
    const std::size_t lines = screen.Lines();
    const std::size_t others = kOtherLines + (overview ? kOverviewLines : 0);
    return fmt::format("{}  {}  {:.1f} s  {}\n{}{}{}", arguments_.server, NowText("%H:%M:%S", localtime_r), seconds,
                       ReadyText(rates), overview ? OverviewText(*overview) : "",
                       RatesText(rates, lines > others ? lines - others : 1), screen.live() ? "" : "\n");
  }

  const Arguments& arguments_;
  const client::ConnectOptions options_;
  client::Client client_;
  const std::chrono::milliseconds timeout_;
};

}  // namespace

ExitCode RunTop(const Arguments& arguments) {
  absl::StatusOr<client::ConnectOptions> options = ConnectOptionsOf(arguments);
  absl::StatusOr<client::Client> client =
      options.ok() ? client::Client::Connect(arguments.server, *options) : options.status();
  if (!client.ok()) {
    PrintError(std::string(client.status().message()));
    return ExitCode::kUsage;
  }
  const absl::Status ended = Top(arguments, *std::move(options), *std::move(client)).Run();
  if (ended.ok()) return ExitCode::kOk;
  PrintError(fmt::format("{}: {}", arguments.server, ErrorText(ended)));
  return ExitCodeOf(ended);
}

}  // namespace tensorferry::cli
