// SPDX-License-Identifier: GPL-3.0-or-later
// A thread that does what clients can make long may share its processor with a core. It rests kHelperRests times as long as it has had one
// since its last rest, so that the core has most of it: between pieces of its work, and after it. Threads that do such jobs at the same
// time rest so much longer that on average they take no more all together.
#pragma once

namespace httpsys::platform {

// While one lives its thread does such a job, and rests at its end. One of a thread.
class RestingJob {
public:
  RestingJob();
  RestingJob(const RestingJob &) = delete;
  ~RestingJob();
};

// Between pieces of work, with no lock held: sleeps for what was used since the last time. No effect on threads without such a job.
void rest();
// Of all threads, also what goes on: off when the daemon ends, which the next one waits for. They are on at first.
void set_rests(bool on);

}
