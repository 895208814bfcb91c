#pragma once
#include <functional>
#include <memory>

#include "job/job.h"

namespace sdcpp {

// The process's one engine thread and its line of jobs (see line.h for the order). The engine's callbacks, log buffer and
// random state are process-wide, so no two jobs ever run at once; all environments share the line.
namespace Queue {

// Counts the environments that use the thread; the last close() ends it. It starts with the first job.
void open();
void close();

void push(const std::shared_ptr<Job>& job);

// Stops a job: one that waits ends at once, the running one at the engine's next look at the flag.
void cancel(const std::shared_ptr<Job>& job);

// Stops a job and returns when the engine no longer works on it.
void abandon(const std::shared_ptr<Job>& job);

// Runs `task` on the engine thread between two jobs, or here when there is no such thread: for freeing models.
void between_jobs(std::function<void()> task);

}  // namespace Queue
}  // namespace sdcpp
