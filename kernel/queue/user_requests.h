// SPDX-License-Identifier: GPL-3.0-or-later
// UserRequests: how many requests are under way for the queues of one uid, on whatever cores, so that an application that answers none
// cannot hold every connection that there may be. RequestShare is one of them: a request takes it when it enters its queue, and it is given
// back where it ends. Core 0 makes the UserRequests and frees those that no queue and no request has any more; a queue keeps its own.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace httpsys::queue {

class RequestShare;

class UserRequests {
public:
  explicit UserRequests(uint32_t uid) : m_uid(uid) {}
  UserRequests(const UserRequests &) = delete;
  UserRequests &operator=(const UserRequests &) = delete;

  uint32_t uid() const { return m_uid; }
  // Any core. An empty one: there are as many as RequestsPerUser allows; uid 0 and the daemon's own may have any number.
  RequestShare take();
  // Orders what the givers did before what the caller does with a count of 0.
  uint64_t count() const { return m_count.load(std::memory_order_acquire); }

private:
  friend class RequestShare;
  void give();
  const uint32_t m_uid;
  std::atomic<uint64_t> m_count{0};
};

// Goes along with its request from core to core: in QueuedRequest until the request is delivered, then with its owner.
class RequestShare {
public:
  RequestShare() = default;
  RequestShare(RequestShare &&other) noexcept : m_user(std::exchange(other.m_user, nullptr)) {}
  RequestShare &operator=(RequestShare &&other) noexcept
  {
    if (this != &other) {
      give();
      m_user = std::exchange(other.m_user, nullptr);
    }
    return *this;
  }
  ~RequestShare() { give(); }
  explicit operator bool() const { return m_user != nullptr; }

private:
  friend class UserRequests;
  explicit RequestShare(UserRequests *user) : m_user(user) {}
  void give()
  {
    if (m_user)
      std::exchange(m_user, nullptr)->give();
  }
  UserRequests *m_user = nullptr;
};

// On core 0: for a new queue of that uid.
std::shared_ptr<UserRequests> requests_of_user(uint32_t uid);
// The same for who looks: all users' together.
uint64_t requests_of_users();

}
