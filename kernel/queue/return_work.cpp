// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/return_work.h"
#include "kernel/io/per_core.h"
#include "kernel/limits.h"
#include "kernel/platform/slice.h"
#include <algorithm>
#include <utility>

namespace httpsys::queue {

namespace {

// What the works of a core take of one turn, all together.
class Turn final : public ke::Flushable {
public:
  bool take()
  {
    ke::Core::current().request_flush(*this);
    return m_slice.take();
  }
  uint32_t part() const { return std::max(1u, limits::kRequestsReturnedPerTurn / std::max(1u, works)); }

  uint64_t number = 1;
  uint32_t works = 0;

private:
  void flush() override // the turn is over
  {
    m_slice = new_slice();
    number++;
  }
  static platform::Slice new_slice() { return platform::Slice(limits::kRequestsReturnedPerTurn, limits::kReturnsPerLook); }
  platform::Slice m_slice = new_slice();
};

// Never freed: a work may end later than static objects.
Turn &turn()
{
  static io::PerCore<Turn> &turns = *new io::PerCore<Turn>;
  return turns.here();
}

}

ReturnWork::~ReturnWork()
{
  VERIFY(!Poller::is_linked());
  end();
}

void ReturnWork::run()
{
  if (m_has_begun)
    return;
  begin();
  if (return_some())
    ke::Core::current().add_poller(*this);
  else
    end();
}

bool ReturnWork::poll()
{
  if (!return_some())
    end();
  return true;
}

void ReturnWork::begin()
{
  VERIFY(!std::exchange(m_has_begun, true));
  turn().works++;
}

void ReturnWork::end()
{
  if (Poller::is_linked())
    ke::Core::current().remove_poller(*this);
  if (!std::exchange(m_has_begun, false))
    return;
  VERIFY(turn().works > 0);
  turn().works--;
}

bool ReturnWork::take()
{
  const bool is_first = std::exchange(m_turn, turn().number) != turn().number;
  if (is_first)
    m_left = turn().part();
  if (m_left == 0)
    return false;
  m_left--;
  const bool has_turn = turn().take();
  return is_first || has_turn;
}

}
