// SPDX-License-Identifier: Apache-2.0
// Times the command lines of several programs in turn: A B C, A B C, ... so that all of them meet the same
// weather. Driven by bench.py.
//
//   timer ROUNDS [peak] < plan > samples
//
// The plan, one item a line, fields parted by tabs:
//   program                  begins a program
//   step ARG0 ARG1 ...       a command line (ARG0 a path); its end is awaited; it must exit with 0
//   orphan                   waits for a process whose parent has gone: the container of create and start
// A sample, one a line: round, program, step (all from 0), nanoseconds, KiB.
// The clock runs from before vfork until wait4 returned. Children get /dev/null for stdin and stdout.
// The KiB are wait4's ru_maxrss: the most of this program (a vforked child begins in its parent's memory), of
// the child, and of the children that it waited for. With `peak` they are the child's own high water mark,
// read when it exits, and the times mean nothing: it is traced.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int kMaxPrograms = 16;
constexpr int kMaxSteps = 8;
constexpr int kMaxArgs = 24;
constexpr int kPatienceSeconds = 30;

struct Step {
  char* args[kMaxArgs + 1];  // args[0] null: orphan
};
struct Program {
  Step steps[kMaxSteps];
  int size;
};
struct Plan {
  Program programs[kMaxPrograms];
  int size;
};
struct Sample {
  int64_t ns;
  long kib;
};

char g_text[65536];
Plan g_plan;
bool g_peak = false;

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "timer: %s\n", what);
  exit(1);
}

void read_stdin() {
  size_t size = 0;
  ssize_t got;
  while ((got = read(0, g_text + size, sizeof g_text - 1 - size)) > 0) size += static_cast<size_t>(got);
  if (got < 0 || size == sizeof g_text - 1) fail("the plan cannot be read or is too long");
}

void parse_step(char* fields) {
  if (g_plan.size == 0) fail("plan: a step before the first program");
  Program& program = g_plan.programs[g_plan.size - 1];
  if (program.size == kMaxSteps) fail("plan: too many steps");
  Step& step = program.steps[program.size++];
  int count = 0;
  for (char* arg = fields; arg != nullptr;) {
    if (count == kMaxArgs) fail("plan: too many arguments");
    step.args[count++] = strsep(&arg, "\t");
  }
}

void parse_line(char* line) {
  char* rest = line;
  const char* word = strsep(&rest, "\t");
  if (strcmp(word, "program") == 0) {
    if (g_plan.size++ == kMaxPrograms) fail("plan: too many programs");
  } else if (strcmp(word, "step") == 0 || strcmp(word, "orphan") == 0) {
    parse_step(rest);
  } else if (*word != '\0') {
    fail("plan: unknown word");
  }
}

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * int64_t{1000000000} + time.tv_nsec;
}

// wait4 that gives up after kPatienceSeconds: SIGALRM's handler interrupts it.
int await(pid_t pid, rusage& usage) {
  int status = 0;
  if (wait4(pid, &status, 0, &usage) < 0) fail(errno == EINTR ? "a step did not end" : "nothing to wait for");
  return status;
}

// VmHWM is the peak of the memory map that the last execve made, in KiB.
long peak_of(pid_t pid) {
  char text[128];
  long peak = -1;
  snprintf(text, sizeof text, "/proc/%d/status", pid);
  FILE* status = fopen(text, "re");
  if (status == nullptr) fail("cannot read a step's status");
  while (fgets(text, sizeof text, status) != nullptr) {
    if (strncmp(text, "VmHWM:", 6) == 0) peak = atol(text + 6);
  }
  fclose(status);
  return peak;
}

// Follows a traced child to its end; the signals that stop it on the way are passed on, but for ptrace's own
// SIGTRAP.
long trace(pid_t pid) {
  rusage usage{};
  long peak = -1;
  for (;;) {
    const int status = await(pid, usage);
    if (!WIFSTOPPED(status)) {
      if (status != 0) fail("a step failed");
      return peak;
    }
    if (status >> 16 == PTRACE_EVENT_EXIT) peak = peak_of(pid);
    const int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
    ptrace(PTRACE_CONT, pid, nullptr, signal);
  }
}

[[noreturn]] void become(char* const* args, int null) {
  dup2(null, 0);
  dup2(null, 1);
  if (g_peak) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  execv(args[0], args);
  _exit(127);
}

long await_program(pid_t pid) {
  rusage usage{};
  if (g_peak) return trace(pid);
  if (await(pid, usage) != 0) fail("a step failed");
  return usage.ru_maxrss;
}

Sample time_step(const Step& step, int null) {
  rusage usage{};
  alarm(kPatienceSeconds);
  const int64_t start = now();
  if (step.args[0] == nullptr) {
    (void)await(-1, usage);
    return {now() - start, usage.ru_maxrss};
  }
  const pid_t pid = vfork();
  if (pid < 0) fail("vfork failed");
  if (pid == 0) become(step.args, null);
  const long kib = await_program(pid);
  return {now() - start, kib};
}

// What an earlier step may have left for the subreaper to reap.
void reap_leftovers() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

void time_program(int round, int index, int null) {
  const Program& program = g_plan.programs[index];
  Sample samples[kMaxSteps];
  reap_leftovers();
  for (int i = 0; i < program.size; ++i) samples[i] = time_step(program.steps[i], null);
  for (int i = 0; i < program.size; ++i) {
    printf("%d %d %d %lld %ld\n", round, index, i, static_cast<long long>(samples[i].ns), samples[i].kib);
  }
}

void give_up(int) {}

void prepare() {
  struct sigaction action {};
  action.sa_handler = give_up;  // without SA_RESTART: wait4 returns EINTR
  if (sigaction(SIGALRM, &action, nullptr) != 0) fail("sigaction failed");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) fail("cannot become a subreaper");
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 0;
  if (rounds <= 0) fail("usage: timer ROUNDS [peak] < plan");
  g_peak = argc > 2 && strcmp(argv[2], "peak") == 0;
  read_stdin();
  for (char* text = g_text; text != nullptr;) parse_line(strsep(&text, "\n"));
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) fail("cannot open /dev/null");
  prepare();
  for (int round = 0; round < rounds; ++round) {
    for (int index = 0; index < g_plan.size; ++index) time_program(round, index, null);
  }
  return 0;
}
