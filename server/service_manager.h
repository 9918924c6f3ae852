#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "base/periodic_thread.h"

namespace tensorferry {

// ServiceManager tells systemd, or who else has started the process with NOTIFY_SOCKET set, how far it is: the protocol of
// sd_notify(3), datagrams of `KEY=VALUE` lines. Where the process is to show signs of life (WATCHDOG_USEC), it does so
// twice in that time. Without NOTIFY_SOCKET nothing is done.
// Threads: any. Nobody waits: what cannot be sent is left out.
class ServiceManager {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Throws NoThread.
  ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;
  ~ServiceManager();

  void TellReady(std::string_view status);
  void TellStopping(std::string_view status) const;
  // Say that files are being read again, and that this is done. systemd takes the end of a reload for READY, so that
  // neither tells anything before TellReady was called.
  void TellReloading() const;
  void TellReloaded() const;
  void TellStatus(std::string_view status) const;

 private:
  void Send(std::string_view lines) const;

  std::string address_;  // Of the socket: a sockaddr_un. Empty: there is none.
  int socket_ = -1;
  std::atomic<bool> ready_ = false;
  std::optional<PeriodicThread> watchdog_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry
