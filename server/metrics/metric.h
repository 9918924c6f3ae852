// The one table of everything that is known about the metrics.
#pragma once

#include <prometheus/metric_type.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tensorferry::metrics {

enum class Metric : std::uint8_t {
  kStarted,
  kHandled,
  kMessagesReceived,
  kMessagesSent,
  kHandlingSeconds,
  kStageSeconds,
  kRejected,
  kAuthFailures,
  kTensors,
  kDtypeMismatches,
  kTensorBytes,
  kTensorSize,
  kMessageBytes,
  kInflightRequests,
  kOpenStreams,
  kInflightBytes,
  kBudgetBytes,
  kLargestPeerBytes,
  kPoolIdleBytes,
  kPoolBuffers,
  kModelInfo,
  kModelState,
  kModelLoadSeconds,
  kQueueDepth,
  kModelRequests,
  kModelRequestSeconds,
  kModelAnsweredSeconds,
  kModelQueueSeconds,
  kModelComputeSeconds,
  kModelInferences,
  kModelExecutions,
  kModelBatchRows,
  kCertificateExpiry,
  kReloadFailures,
  kDroppedLogLines,
  kTracedRequests,
  kSelfCheckFailures,
  kAdminRefusals,
  kHttpRefusals,
  kReady,
  kDraining,
  kBuildInfo,
  kProcessCpuSeconds,
  kProcessStartTime,
  kProcessResidentBytes,
  kProcessVirtualBytes,
  kProcessOpenFiles,
  kProcessMaxFiles,
  kProcessThreads,
};

struct MetricInfo {
  Metric metric;
  std::string_view name;
  prometheus::MetricType type;
  std::string_view help;
};

inline constexpr auto kCounter = prometheus::MetricType::Counter;
inline constexpr auto kGauge = prometheus::MetricType::Gauge;
inline constexpr auto kHistogram = prometheus::MetricType::Histogram;

inline constexpr auto kMetrics = std::to_array<MetricInfo>({
    {Metric::kStarted, "grpc_server_started_total", kCounter,
     "Requests that have come, by method. Each request of a stream counts."},
    {Metric::kHandled, "grpc_server_handled_total", kCounter,
     "Requests that have ended, by method and by the code with which they ended."},
    {Metric::kMessagesReceived, "grpc_server_msg_received_total", kCounter,
     "Messages of the requests that have ended, chunks included."},
    {Metric::kMessagesSent, "grpc_server_msg_sent_total", kCounter,
     "Messages of the responses to requests that have ended, chunks included."},
    {Metric::kHandlingSeconds, "grpc_server_handling_seconds", kHistogram,
     "Time from the arrival of a request until its response is made."},
    {Metric::kStageSeconds, "tensorferry_stage_duration_seconds", kHistogram,
     "Time that a request with arrays spent in a stage. Queue and compute are a model's, send ends as gRPC has sent."},
    {Metric::kRejected, "tensorferry_rejected_total", kCounter,
     "Requests that were refused or have failed, by the reason that the caller got."},
    {Metric::kAuthFailures, "tensorferry_auth_failures_total", kCounter,
     "Requests that were refused for who sent them, by reason. They are part of tensorferry_rejected_total."},
    {Metric::kTensors, "tensorferry_tensors_total", kCounter,
     "Arrays that became tensors, by dtype, and whether the tensor's dtype was the array's."},
    {Metric::kDtypeMismatches, "tensorferry_dtype_mismatch_total", kCounter,
     "Tensors whose dtype was not that of the array. It must stay 0."},
    {Metric::kTensorBytes, "tensorferry_tensor_bytes_total", kCounter,
     "Bytes of the elements of arrays that became tensors, and of those that were sent back."},
    {Metric::kTensorSize, "tensorferry_tensor_size_bytes", kHistogram,
     "Bytes of the elements of one array that became a tensor."},
    {Metric::kMessageBytes, "tensorferry_message_bytes_total", kCounter,
     "Bytes of the messages of requests with arrays that have ended, and of their responses."},
    {Metric::kInflightRequests, "tensorferry_inflight_requests", kGauge,
     "Requests with arrays that are being worked on or answered."},
    {Metric::kOpenStreams, "tensorferry_open_streams", kGauge,
     "Streams of ConvertStream and ModelStreamInfer that are open, with a request under way or without."},
    {Metric::kInflightBytes, "tensorferry_inflight_bytes", kGauge,
     "Bytes of the memory budget that arrays in flight and answers hold."},
    {Metric::kBudgetBytes, "tensorferry_budget_bytes", kGauge, "Bytes of the whole memory budget."},
    {Metric::kLargestPeerBytes, "tensorferry_budget_largest_peer_bytes", kGauge,
     "Bytes of the memory budget that are counted for the peer which holds most of them."},
    {Metric::kPoolIdleBytes, "tensorferry_pool_idle_bytes", kGauge,
     "Bytes of the buffers that are kept for the next arrays."},
    {Metric::kPoolBuffers, "tensorferry_pool_buffers_total", kCounter,
     "Buffers that arrays have taken, by where they came from: kept ones, or the system."},
    {Metric::kModelInfo, "tensorferry_model_info", kGauge,
     "A version of a model, with its platform and the SHA-256 of its file. The value is 1."},
    {Metric::kModelState, "tensorferry_model_state", kGauge,
     "The value is 1 for the state in which a version of a model is, and 0 for the others."},
    {Metric::kModelLoadSeconds, "tensorferry_model_load_seconds", kGauge,
     "Time that the last load of a version took, with its warm-up."},
    {Metric::kQueueDepth, "tensorferry_queue_depth", kGauge, "Requests that wait for a model."},
    {Metric::kModelRequests, "tensorferry_model_requests_total", kCounter,
     "Requests that a model has answered or failed, since it was loaded."},
    {Metric::kModelRequestSeconds, "tensorferry_model_request_seconds_total", kCounter,
     "Time that the requests of a model spent in its queue and in runs."},
    {Metric::kModelAnsweredSeconds, "tensorferry_model_answered_seconds", kHistogram,
     "Time that a request which a model has answered spent in its queue and in the run."},
    {Metric::kModelQueueSeconds, "tensorferry_model_queue_seconds_total", kCounter,
     "Time that requests waited for a model."},
    {Metric::kModelComputeSeconds, "tensorferry_model_compute_seconds_total", kCounter,
     "Time of runs, once for each request of a run: gathering inputs, the model itself, and the outputs."},
    {Metric::kModelInferences, "tensorferry_model_inferences_total", kCounter,
     "Rows that a model has run; requests, if it has no batches."},
    {Metric::kModelExecutions, "tensorferry_model_executions_total", kCounter, "Runs of a model, each with one batch."},
    {Metric::kModelBatchRows, "tensorferry_model_batch_rows", kHistogram, "Rows of one run of a model."},
    {Metric::kCertificateExpiry, "tensorferry_tls_certificate_expiry_timestamp_seconds", kGauge,
     "Time at which the server's certificate ends to be valid, in seconds since 1970. Absent without TLS."},
    {Metric::kReloadFailures, "tensorferry_credentials_reload_failures_total", kCounter,
     "Changes of credential files that could not be used, so that the former content stays in use."},
    {Metric::kDroppedLogLines, "tensorferry_log_lines_dropped_total", kCounter,
     "Lines of the log that were left out, as nobody read them fast enough or they could not be written."},
    {Metric::kTracedRequests, "tensorferry_traced_requests_total", kCounter,
     "Requests whose spans the collector has taken, or that were dropped, by outcome. Absent without a collector."},
    {Metric::kSelfCheckFailures, "tensorferry_self_check_failures_total", kCounter,
     "Checks in which the server did not answer on its own address."},
    {Metric::kAdminRefusals, "tensorferry_admin_refusals_total", kCounter,
     "Answers of the admin port that refuse, by HTTP's status. A probe that is told no is none."},
    {Metric::kHttpRefusals, "tensorferry_http_refusals_total", kCounter,
     "Answers of the HTTP port that refuse, by HTTP's status, whoever refuses."},
    {Metric::kReady, "tensorferry_ready", kGauge, "The value is 1 while the server is ready for requests, else 0."},
    {Metric::kDraining, "tensorferry_draining", kGauge, "The value is 1 once the server is stopping, else 0."},
    {Metric::kBuildInfo, "tensorferry_build_info", kGauge,
     "The versions of the server and of the libraries that it runs with. The value is 1."},
    {Metric::kProcessCpuSeconds, "process_cpu_seconds_total", kCounter,
     "Processor time that the process has used, its own and the system's for it."},
    {Metric::kProcessStartTime, "process_start_time_seconds", kGauge,
     "Time at which the process was started, in seconds since 1970."},
    {Metric::kProcessResidentBytes, "process_resident_memory_bytes", kGauge, "Bytes of memory that the process holds."},
    {Metric::kProcessVirtualBytes, "process_virtual_memory_bytes", kGauge, "Bytes of the process's address space."},
    {Metric::kProcessOpenFiles, "process_open_fds", kGauge, "File descriptors that are open, one for each connection."},
    {Metric::kProcessMaxFiles, "process_max_fds", kGauge, "File descriptors that may be open."},
    {Metric::kProcessThreads, "process_threads", kGauge, "Threads of the process."},
});

constexpr const MetricInfo& Info(Metric metric) { return kMetrics.at(static_cast<std::size_t>(metric)); }

static_assert(std::ranges::all_of(kMetrics, [](const auto& row) { return &Info(row.metric) == &row; }),
              "kMetrics has a row for each Metric, in the same order");

}  // namespace tensorferry::metrics
