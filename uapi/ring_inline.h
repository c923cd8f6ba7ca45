/* SPDX-License-Identifier: MIT */
/* The index protocol, used verbatim by library, daemon and fuzz harness. Indices run free over 32 bits; producers and
 * consumers keep the indices that they own in private memory and only write the shared copies.
 *
 * Publishing stores the tail and then loads the wake word, going to sleep stores the wake word and then loads the tail,
 * all four sequentially consistent: one of the two sides sees the other's store, so no wake-up is lost. (No fences:
 * ThreadSanitizer knows none, and on x86 they cost the same.) */
#ifndef HTTPSYS_UAPI_RING_INLINE_H
#define HTTPSYS_UAPI_RING_INLINE_H

#include "uapi/abi.h"

static inline uint32_t hsys_load_acquire(const uint32_t *word)
{
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void hsys_store_release(uint32_t *word, uint32_t value)
{
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Publishes entries up to new_tail (old_tail: what was published before). Returns 1 when the sleeper asked to be woken. */
static inline int hsys_publish(uint32_t *tail, const uint32_t *wake, uint32_t old_tail, uint32_t new_tail)
{
  uint32_t at;
  __atomic_store_n(tail, new_tail, __ATOMIC_SEQ_CST);
  at = __atomic_load_n(wake, __ATOMIC_SEQ_CST);
  return (uint32_t)(new_tail - at - 1u) < (uint32_t)(new_tail - old_tail);
}

/* Asks to be woken when the tail passes seen. Returns 1 when it has already: then do not sleep. */
static inline int hsys_arm(uint32_t *wake, const uint32_t *tail, uint32_t seen)
{
  __atomic_store_n(wake, seen, __ATOMIC_SEQ_CST);
  return __atomic_load_n(tail, __ATOMIC_SEQ_CST) != seen;
}

/* Takes the request to be woken back: a value that the tail passes last. */
static inline void hsys_disarm(uint32_t *wake, uint32_t seen)
{
  __atomic_store_n(wake, seen - 1u, __ATOMIC_RELAXED);
}

/* Says that entries below head are received, before anybody sees what they say. Returns 1 while the session lasts. When it has ended the
 * daemon may have looked at cq_head before, and a request of these entries be another worker's: then do not show it. (As above: the
 * daemon stores the state and then loads cq_head.) */
static inline int hsys_receive(uint32_t *cq_head, const uint32_t *state, uint32_t head)
{
  uint32_t at;
  __atomic_store_n(cq_head, head, __ATOMIC_SEQ_CST);
  at = __atomic_load_n(state, __ATOMIC_SEQ_CST);
  return at != 3u && at != 4u; /* HSYS_CHANNEL_REVOKED, HSYS_CHANNEL_ENDED */
}

/* Whether a peer's tail is possible for a ring of `entries` that was consumed up to head. */
static inline int hsys_tail_is_sane(uint32_t tail, uint32_t head, uint32_t entries)
{
  return (uint32_t)(tail - head) <= entries;
}

#endif
