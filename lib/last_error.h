// SPDX-License-Identifier: MIT
// What GetLastError() and httpsys_last_error_text() say: each thread's own. Every exported function but these begins with begin_call(),
// and explains its refusal with refuse(); with HTTPSYS_DEBUG=1 in the environment each explanation goes to stderr too.
#pragma once
#include "lib/error_text.h"
#include <cstdint>

namespace httpsys::lib {

uint32_t last_error();
void set_last_error(uint32_t code);

// Forgets the text of this thread's previous call; then takes in what has completed (Reaper::poll).
void begin_call();
// The same, for a function whose refusals have the form of error_sentence() until the next begin_call() of the thread.
void begin_call(const char *function);
// Only forgets the text and the function of the previous call.
void forget_call();
// That function; null in others.
const char *current_function();

const char *last_error_text();
void set_last_error_text(std::string_view text); // "" to have none

// For functions that return a code: keeps the sentence, returns the code.
uint32_t refuse(uint32_t code, const char *pattern, ...) __attribute__((format(printf, 2, 3)));

// For functions that return FALSE and set the last error: the same, returns 0.
int fail(uint32_t code, const char *pattern, ...) __attribute__((format(printf, 2, 3)));

}
