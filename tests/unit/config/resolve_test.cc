#include "config/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "config/setting.h"
#include "temporary_folder.h"

namespace tensorferry::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Resolved Running(const std::vector<std::string>& args, const Environment& environment = {}) {
  auto result = Resolve(args, environment, "1.2.3");
  if (const auto* exit = std::get_if<Exit>(&result)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  return std::get<Resolved>(std::move(result));
}

Exit Exiting(const std::vector<std::string>& args, const Environment& environment = {}) {
  auto result = Resolve(args, environment, "1.2.3");
  if (std::holds_alternative<Resolved>(result)) {
    ADD_FAILURE() << "expected the server not to run";
    return {};
  }
  return std::get<Exit>(std::move(result));
}

TEST(Resolve, DefaultsAreThoseOfConfig) {
  const Resolved resolved = Running({});
  EXPECT_EQ(resolved.config, Config{});
  EXPECT_EQ(resolved.sources.size(), Settings().size());
  for (const auto& [name, source] : resolved.sources) EXPECT_EQ(source, "default") << name;
}

TEST(Resolve, EveryDefaultIsWithinItsLimits) {
  for (const Setting& setting : Settings()) {
    Config config;
    EXPECT_TRUE(setting.set(setting.get(Config{}), config).ok()) << setting.flag.name;
    EXPECT_EQ(config, Config{}) << setting.flag.name;
  }
}

TEST(Resolve, FlagWinsOverEnvironmentOverFileOverDefault) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("s.toml", "threads = 11\nmodel-threads = 12\nintra-op-threads = 13\n");
  const Resolved resolved =
      Running({"--config", file, "--threads=31"}, {{"TENSORFERRY_THREADS", "21"}, {"TENSORFERRY_MODEL_THREADS", "22"}});
  EXPECT_EQ(resolved.config.threads, 31);
  EXPECT_EQ(resolved.sources.at("threads"), "flag");
  EXPECT_EQ(resolved.config.model_threads, 22);
  EXPECT_EQ(resolved.sources.at("model-threads"), "environment TENSORFERRY_MODEL_THREADS");
  EXPECT_EQ(resolved.config.intra_op_threads, 13);
  EXPECT_EQ(resolved.sources.at("intra-op-threads"), "file " + file + ":3");
  EXPECT_EQ(resolved.config.drain_grace, Config{}.drain_grace);
  EXPECT_EQ(resolved.sources.at("drain-grace"), "default");
}

TEST(Resolve, AHigherSourceReplacesAllValuesOfARepeatableSetting) {
  const Resolved resolved = Running({"--listen", "127.0.0.1:1"}, {{"TENSORFERRY_LISTEN", "127.0.0.1:2,127.0.0.1:3"}});
  EXPECT_THAT(resolved.config.listen, ElementsAre("127.0.0.1:1"));
}

TEST(Resolve, TheFileMayBeNamedByTheEnvironment) {
  const TemporaryFolder folder;
  const std::string named = folder.Write("environment.toml", "threads = 11\n");
  EXPECT_EQ(Running({}, {{"TENSORFERRY_CONFIG", named}}).config.threads, 11);
  const std::string flagged = folder.Write("flag.toml", "threads = 12\n");
  EXPECT_EQ(Running({"--config", flagged}, {{"TENSORFERRY_CONFIG", named}}).config.threads, 12);
}

TEST(Resolve, ReachesEveryField) {
  const Config config = Running({"--listen=[::]:0",
                                 "--listen=unix:/run/s",
                                 "--admin-listen=[::1]:0",
                                 "--http-origin=https://page.example",
                                 "--http-gzip",
                                 "--admin-host=here.example",
                                 "--admin-host=[fd00::1]",
                                 "--model-repository=/models",
                                 "--model=a=a.pt",
                                 "--model=b=b.pt",
                                 "--model-control=poll",
                                 "--model-poll-interval=9s",
                                 "--load-model=a",
                                 "--load-model=c",
                                 "--strict-start",
                                 "--device=cuda:1",
                                 "--max-message-bytes=1MiB",
                                 "--max-tensor-bytes=2MiB",
                                 "--memory-budget=3MiB",
                                 "--threads=4",
                                 "--model-threads=5",
                                 "--intra-op-threads=6",
                                 "--drain-delay=7ms",
                                 "--drain-grace=8m",
                                 "--log-level=warning",
                                 "--log-format=json",
                                 "--compression=on",
                                 "--reflection=off",
                                 "--idle-timeout=10s",
                                 "--isolation=process",
                                 "--self-check=11s",
                                 "--max-connection-idle=12m",
                                 "--max-connection-age=13m",
                                 "--max-connection-age-grace=14m",
                                 "--tls-cert=cert.pem",
                                 "--tls-key=key.pem",
                                 "--tls-client-ca=ca.pem",
                                 "--auth-token-file=tokens",
                                 "--allow-open",
                                 "--receive-budget=9MiB",
                                 "--peer-share=50"})
                            .config;
  const Config expected{.listen = {"[::]:0", "unix:/run/s"},
                        .admin_listen = "[::1]:0",
                        .http_origin = {"https://page.example"},
                        .http_gzip = true,
                        .admin_host = {"here.example", "[fd00::1]"},
                        .model_dir = "/models",
                        .models = {{"a", "a.pt"}, {"b", "b.pt"}},
                        .model_control = inference::ModelControl::kPoll,
                        .model_poll_interval = std::chrono::seconds(9),
                        .load_model = {"a", "c"},
                        .strict_start = true,
                        .device = "cuda:1",
                        .isolation = inference::Isolation::kProcess,
                        .max_message_bytes = 1 << 20,
                        .max_tensor_bytes = 2 << 20,
                        .memory_budget = 3 << 20,
                        .peer_share = 50,
                        .receive_budget = 9 << 20,
                        .threads = 4,
                        .model_threads = 5,
                        .intra_op_threads = 6,
                        .idle_timeout = std::chrono::seconds(10),
                        .max_connection_idle = std::chrono::minutes(12),
                        .max_connection_age = std::chrono::minutes(13),
                        .max_connection_age_grace = std::chrono::minutes(14),
                        .self_check = std::chrono::seconds(11),
                        .drain_delay = std::chrono::milliseconds(7),
                        .drain_grace = std::chrono::minutes(8),
                        .log_level = LogLevel::kWarning,
                        .log_format = LogFormat::kJson,
                        .tls_cert = "cert.pem",
                        .tls_key = "key.pem",
                        .tls_client_ca = "ca.pem",
                        .auth_token_file = "tokens",
                        .allow_open = true,
                        .compression = true,
                        .reflection = false};
  EXPECT_EQ(config, expected);
}

TEST(Resolve, ACertificateHasAKey) {
  for (const std::string given : {"--tls-cert=a", "--tls-key=a"}) {
    const auto [code, text] = Exiting({given});
    EXPECT_EQ(code, ExitCode::kConfiguration);
    EXPECT_THAT(text, HasSubstr(given == "--tls-cert=a" ? "tls-key is missing" : "tls-cert is missing"));
  }
  EXPECT_THAT(Exiting({"--tls-client-ca=a"}).text, HasSubstr("tls-cert is missing"));
}

TEST(Resolve, AnOpenAddressMustBeMeant) {
  for (const std::string address : {"0.0.0.0:1", "[::]:1", "192.0.2.1:0", "host.example:1", "[::ffff:192.0.2.1]:1",
                                    "localhost.example:1", "1270.0.0.1:1"}) {
    const auto [code, text] = Exiting({"--listen", address});
    EXPECT_EQ(code, ExitCode::kConfiguration) << address;
    EXPECT_THAT(text, HasSubstr("listen " + address + ": other machines could reach it"));
    EXPECT_EQ(Running({"--listen", address, "--allow-open"}).config.listen.front(), address);
    EXPECT_EQ(Running({"--listen", address, "--auth-token-file=f"}).config.listen.front(), address);
    EXPECT_EQ(Running({"--listen", address, "--tls-cert=c", "--tls-key=k"}).config.listen.front(), address);
  }
  for (const std::string address :
       {"127.0.0.1:1", "127.8.9.1:0", "localhost:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/run/0.0.0.0:1"}) {
    EXPECT_EQ(Running({"--listen", address}).config.listen.front(), address);
  }
}

TEST(Resolve, AnOpenAdminAddressMustBeMeant) {
  const auto [code, text] = Exiting({"--admin-listen", "0.0.0.0:1"});
  EXPECT_EQ(code, ExitCode::kConfiguration);
  EXPECT_THAT(text, HasSubstr("admin-listen 0.0.0.0:1: other machines could reach it"));
  for (const std::string meant : {"--allow-open", "--auth-token-file=f"}) {
    EXPECT_EQ(Running({"--admin-listen", "0.0.0.0:1", meant}).config.admin_listen, "0.0.0.0:1");
  }
  for (const std::string address : {"127.0.0.1:1", "localhost:0", "off"}) {
    EXPECT_EQ(Running({"--admin-listen", address}).config.admin_listen, address);
  }
}

TEST(Resolve, ABadFlagIsAUsageError) {
  const auto [code, text] = Exiting({"--max-message-bytes", "3KiB"});
  EXPECT_EQ(code, ExitCode::kUsage);
  EXPECT_EQ(text,
            "max-message-bytes: expected a size from 64KiB to 2147483647B, in B, KiB, MiB or GiB, "
            "got '3KiB' (from flag)");
  EXPECT_THAT(Exiting({"--memory-budget", "10GB"}).text, HasSubstr("got '10GB'; write 10GiB (from flag)"));
  EXPECT_THAT(Exiting({"--drain-grace", "30"}).text, HasSubstr("got '30'; write 30s (from flag)"));
  EXPECT_EQ(Exiting({"--unknown"}).code, ExitCode::kUsage);
}

TEST(Resolve, ABadVariableOrFileIsAConfigurationError) {
  const Exit variable = Exiting({}, {{"TENSORFERRY_THREADS", "1025"}});
  EXPECT_EQ(variable.code, ExitCode::kConfiguration);
  EXPECT_THAT(variable.text, HasSubstr("threads: expected a number from 1 to 1024, got '1025' "
                                       "(from environment TENSORFERRY_THREADS)"));

  const TemporaryFolder folder;
  const Exit value = Exiting({"--config", folder.Write("value.toml", "\nlog-level = \"loud\"\n")});
  EXPECT_EQ(value.code, ExitCode::kConfiguration);
  EXPECT_THAT(value.text, HasSubstr("log-level: expected one of trace, debug, info, warning, error, off, got 'loud'"));
  EXPECT_THAT(value.text, HasSubstr("value.toml:2)"));

  EXPECT_EQ(Exiting({"--config", "/no/such.toml"}).code, ExitCode::kConfiguration);
  EXPECT_EQ(Exiting({"--config", folder.Write("key.toml", "unknown = 1\n")}).code, ExitCode::kConfiguration);
}

TEST(Resolve, RepeatedNamesAndAddressesAreErrors) {
  EXPECT_THAT(Exiting({"--model=m=a.pt", "--model=m=b.pt"}).text, HasSubstr("expected each only once, got 'm=b.pt'"));
  EXPECT_THAT(Exiting({"--listen=h:1", "--listen=h:1"}).text, HasSubstr("expected each only once, got 'h:1'"));
  EXPECT_EQ(Running({"--listen=localhost:0", "--listen=localhost:0"}).config.listen.size(), 2U);
}

TEST(Resolve, ThereIsAlwaysAListener) {
  const TemporaryFolder folder;
  EXPECT_THAT(Exiting({"--config", folder.Write("s.toml", "listen = []\n")}).text,
              HasSubstr("listen: expected at least 1, got 0"));
}

TEST(Resolve, AnUnknownVariableOnlyWarns) {
  EXPECT_THAT(Running({}, {{"TENSORFERRY_LISTNE", "h:1"}}).warnings, ElementsAre(HasSubstr("TENSORFERRY_LISTEN")));
}

TEST(Resolve, AnErrorIsOneLine) {
  const std::string text = Exiting({"--config", "no\nsuch\x1b[31m"}).text;
  EXPECT_EQ(text, "cannot read file 'no\\nsuch\\x1b[31m': No such file or directory");
}

TEST(Resolve, HelpAndVersionAreAnsweredWhateverTheConfiguration) {
  const Exit version = Exiting({"--version", "--config", "/no/such.toml"}, {{"TENSORFERRY_THREADS", "none"}});
  EXPECT_EQ(version.code, ExitCode::kOk);
  EXPECT_EQ(version.text, "tensorferry-server 1.2.3\n");

  const Exit help = Exiting({"--help"}, {{"TENSORFERRY_THREADS", "none"}});
  EXPECT_EQ(help.code, ExitCode::kOk);
  for (const Setting& setting : Settings())
    EXPECT_THAT(help.text, HasSubstr("  --" + std::string(setting.flag.name) + " "));
  for (const Flag& flag : kOtherFlags) EXPECT_THAT(help.text, HasSubstr("  --" + std::string(flag.name) + " "));
  EXPECT_THAT(help.text, HasSubstr("--max-connection-age-grace TIME then end"));
  EXPECT_THAT(help.text, HasSubstr("[64MiB]"));
  EXPECT_EQ(Exiting({"-h"}).text, help.text);
}

}  // namespace
}  // namespace tensorferry::config
