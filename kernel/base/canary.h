// SPDX-License-Identifier: GPL-3.0-or-later
// Canaries: rules that the simulator's build can be told to break, one at a time, so that a test shows that the harness notices. In every
// other build is_broken() is false when the program is compiled, and nothing of them is left.
#pragma once

#ifdef HTTPSYS_UNHOOKED
#error "compiled once for the daemon and the simulator: a file that asks for a canary belongs to kernel_hooked_sources (meson.build)"
#endif

namespace httpsys {

// Letter and number: the trust rule (design-anchors A.17.11).
enum class Canary {
  None,
  EntryReadAgain,      // T2: an entry is copied again after it has been admitted
  ParametersReadAgain, // T2: a parameter block too
  ParametersInPlace,   // T1: it is used where the client can write, not from the copy that was made of it
  TailReadAgain,       // T2: sq_tail is read again after it has been checked
  HeadReadAgain,       // T2: cq_head too
  LengthsNotClamped,   // T3: an extent may reach beyond the send arena
  ReservedBitsIgnored, // T5
  TailNotChecked,      // T6: sq_tail may be any number
  BlockNotChecked,     // T6: a block that is not on loan may be handed back
  SlotNotChecked,      // T6: a slot that is in use may be named again
  WaitsForClient,      // T7: spins until the client has reaped
  WorkNotBounded,      // T8: takes as many entries and blocks in one turn as there are
  IdsNotChecked,       // T10: a request's id is enough, whoever it was delivered to
  OwnerNotChecked,     // T10: the client's certificate is shown to whoever had a request of the connection
  CompletedTwice,      // an operation's completion is published twice
  ClaimedElsewhere,    // CANCEL takes an operation out of a queue on whatever core it runs
  CompletionLost,      // now and then one is not published
  BlockNotCleared,     // what was in a block before is left behind its new bytes
  OthersInBlock,       // behind a block's bytes, where no client looks, lie those that the channel before was lent
  FileNotSynced,       // a state file gets its name before its bytes are safe
  FolderNotSynced,     // a change is answered as done before the file's name is safe
  DamagedOverwritten,  // a damaged state file is replaced without being set aside
  LossNotMended,       // a state file that got lost while the daemon runs is not written again
  RemovalNotSynced,    // a removal that finds the file gone is done before that is safe
  FoundNotSynced,      // a folder, or what a start has found in it, is used before its name is safe
  PresentNotExamined,  // what is imported and there already is good, whatever somebody has done to it
  FailureNotSettled,   // what a change that failed has left behind stays
  LostFolderUsed,      // a folder of the state that was removed, moved away or replaced is used on
  PlaceNotChecked,     // a change is answered as done though its folder went meanwhile
  CutShortWithFin,     // what the system breaks off ends as if it were whole
  AnsweredEarly,       // a change of the configuration is answered before every core has it
  ShareNotGivenBack,   // a request that has ended counts on for the user whose queue had it
  QueueOfOthers,       // a request queue may be opened by whoever knows its name
  UsersTogether,       // what one user may have is refused when all together have it
  BlockLost,           // now and then a block that is handed back is neither on loan nor free afterwards
  HandleNotGivenBack,  // a handle that was closed counts on for its client
  WaitingNotGivenBack, // a result that waited for a block counts on for its client
};

#ifdef HTTPSYS_SIMULATOR
inline Canary g_canary = Canary::None;
inline bool is_broken(Canary rule) { return g_canary == rule; }
#else
constexpr bool is_broken(Canary) { return false; }
#endif

}
