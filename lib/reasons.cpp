// SPDX-License-Identifier: MIT
#include "lib/reasons.h"

namespace httpsys::lib {

constinit const OVERLAPPED *Reasons::s_overlapped[kKept] = {};
constinit ErrorText Reasons::s_texts[kKept];
unsigned Reasons::s_next;
unsigned Reasons::s_count;

// -1 when nothing is kept for it. Programs whose operations succeed have none, and pay one comparison.
int Reasons::find(const OVERLAPPED *overlapped)
{
  for (unsigned i = 0; s_count && i < kKept; i++) {
    if (s_overlapped[i] == overlapped)
      return static_cast<int>(i);
  }
  return -1;
}

void Reasons::keep(const DispatcherGuard &guard, const OVERLAPPED *overlapped, std::string_view text)
{
  drop(guard, overlapped);
  if (text.empty())
    return;
  if (!s_overlapped[s_next])
    s_count++;
  s_overlapped[s_next] = overlapped;
  s_texts[s_next].assign(text);
  s_next = (s_next + 1) % kKept;
}

void Reasons::drop(const DispatcherGuard &, const OVERLAPPED *overlapped)
{
  int index = find(overlapped);
  if (index < 0)
    return;
  s_overlapped[index] = nullptr;
  s_count--;
}

ErrorText Reasons::of(const OVERLAPPED *overlapped)
{
  DispatcherGuard guard;
  int index = overlapped ? find(overlapped) : -1;
  return index >= 0 ? s_texts[index] : ErrorText();
}

}
