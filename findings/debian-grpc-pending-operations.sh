#!/usr/bin/env bash
# In Debian 12's gRPC the time of one event grows with the number of all operations that wait on the same queue, so that
# a server which awaits thousands of calls at once pays for each of them at every event.
#
# Expected, before it was run: a completion queue is a queue, and what others wait for costs an event nothing.
# Found on 2026-11-28 on x86-64, while a server with 30 methods of 32 waiting calls each was compared with an empty one.
# The package is built with assertions: cq_check_tag in gRPC's completion_queue.cc then keeps a list of the tags of all
# operations that were begun, and looks through it from its start when one of them ends.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 . # apt downloads as a user of its own.
apt-get -q download libgrpc++-dev=1.51.1-3+b1 libgrpc++1.51=1.51.1-3+b1 libgrpc-dev=1.51.1-3+b1 libgrpc29=1.51.1-3+b1 \
  libprotobuf-dev=3.21.12-3+deb12u1 libprotobuf32=3.21.12-3+deb12u1 libc-ares2=1.18.1-3 libre2-9=20220601+dfsg-1+b1 \
  libabsl-dev=20220623.1-1+deb12u2 libabsl20220623=20220623.1-1+deb12u2 >download.log 2>&1 || {
  cat download.log >&2
  exit 1
}
for package in *.deb; do dpkg-deb -x "$package" .; done

cat >pending.cc <<'END'
#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <vector>

// Returns the time from the start of an alarm that is due at once until its event is taken, while `waiting` other
// alarms wait on the same queue: the median of 9 rounds, in nanoseconds.
double TimeOfOneEvent(int waiting) {
  constexpr int kEvents = 2000;
  grpc::CompletionQueue queue;
  std::deque<grpc::Alarm> others(waiting);
  for (grpc::Alarm& other : others) {
    other.Set(&queue, std::chrono::system_clock::now() + std::chrono::hours(1), nullptr);
  }
  grpc::Alarm alarm;
  void* tag;
  bool ok;
  std::vector<double> rounds;
  for (int round = 0; round < 9; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kEvents; ++i) {
      alarm.Set(&queue, std::chrono::system_clock::time_point(), &alarm);
      queue.Next(&tag, &ok);
    }
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    rounds.push_back(elapsed.count() / kEvents);
  }
  for (grpc::Alarm& other : others) other.Cancel();
  for (int i = 0; i < waiting; ++i) queue.Next(&tag, &ok);
  std::sort(rounds.begin(), rounds.end());
  return rounds[4];
}

int main() {
  std::printf("gRPC %s\nTime of one event, while so many other operations wait on its queue, and as a multiple:\n",
              grpc::Version().c_str());
  const double alone = TimeOfOneEvent(10);
  double factor = 1;
  for (const int waiting : {10, 1000, 10'000, 100'000}) {
    const double time = TimeOfOneEvent(waiting);
    factor = time / alone;
    std::printf("  %6d: %9.0f ns, %.1f\n", waiting, time, factor);
  }
  if (factor < 100) {
    std::printf("This is not what was recorded: with 100,000 waiting, more than a hundred times as long as with 10\n");
    return 1;
  }
  std::printf("As recorded: the event pays for all that wait, though it is none of them.\n");
}
END
libraries=$folder/usr/lib/$(gcc -print-multiarch)
g++ -std=c++17 -O2 -I"$folder/usr/include" pending.cc -o pending -L"$libraries" -Wl,-rpath,"$libraries" \
  -Wl,-rpath-link,"$libraries" -lgrpc++ -lgrpc -lgpr -labsl_synchronization
./pending
