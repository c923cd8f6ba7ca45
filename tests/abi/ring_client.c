/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/abi/ring_client.h"
#include "uapi/ring_inline.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Readable or hung up within the time: 1; else 0. */
static int wait_readable(int fd, long long until)
{
  struct pollfd item = {fd, POLLIN, 0};
  for (;;) {
    long long left = until - now_ms();
    int count = poll(&item, 1, left < 0 ? 0 : (int)left);
    if (count > 0)
      return 1;
    if (count == 0 && until <= now_ms())
      return 0;
  }
}

int ring_connect(struct ring_client *client, const char *path, int timeout_ms)
{
  long long until = now_ms() + timeout_ms;
  struct sockaddr_un address;
  memset(client, 0, sizeof *client);
  client->kick = client->bell = client->ktou_fd = client->utok_fd = -1;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  client->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (client->control < 0)
    return RING_SYSTEM;
  while (connect(client->control, (struct sockaddr *)&address, sizeof address) != 0) {
    struct timespec pause = {0, 5000000};
    if ((errno != ENOENT && errno != ECONNREFUSED) || now_ms() > until)
      return RING_SYSTEM;
    nanosleep(&pause, NULL);
  }
  return 0;
}

int ring_control_send(struct ring_client *client, uint16_t type, void *message, uint32_t size)
{
  struct hsys_control *head = message;
  head->magic = HSYS_CONTROL_MAGIC;
  head->type = type;
  head->size = size;
  head->sequence = ++client->sequence;
  return send(client->control, message, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : RING_SYSTEM;
}

static void take_descriptors(struct msghdr *message, int fds[4])
{
  struct cmsghdr *head;
  for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && count <= 4)
      memcpy(fds, CMSG_DATA(head), count * sizeof(int));
  }
}

int ring_control_receive(struct ring_client *client, void *buffer, uint32_t size, int fds[4], int timeout_ms)
{
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(4 * sizeof(int))];
  } control;
  struct iovec vector = {buffer, size};
  struct msghdr message;
  const struct hsys_control *head = buffer;
  int no_fds[4];
  ssize_t count;
  if (!wait_readable(client->control, now_ms() + timeout_ms))
    return RING_TIMEOUT;
  memset(&message, 0, sizeof message);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  count = recvmsg(client->control, &message, MSG_CMSG_CLOEXEC);
  if (count < 0 && errno != ECONNRESET)
    return RING_SYSTEM;
  if (count <= 0)
    return RING_CLOSED;
  if (!fds)
    fds = no_fds;
  fds[0] = fds[1] = fds[2] = fds[3] = -1;
  take_descriptors(&message, fds);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || count < (ssize_t)sizeof *head || head->magic != HSYS_CONTROL_MAGIC ||
      head->size != count)
    return RING_PROTOCOL;
  if (head->type == HSYS_CONTROL_REVOKED)
    client->revoked = ((const struct hsys_control_revoked *)buffer)->reason;
  if (head->type == HSYS_CONTROL_GOODBYE)
    client->goodbye = 1;
  return (int)count;
}

/* The answer of that type and size; REVOKED and GOODBYE may come instead. */
static int receive_answer(struct ring_client *client, uint16_t type, void *answer, uint32_t size, int fds[4])
{
  unsigned char buffer[HSYS_CONTROL_MESSAGE_MAX];
  const struct hsys_control *head = (const void *)buffer;
  int count = ring_control_receive(client, buffer, sizeof buffer, fds, 10000);
  if (count < 0)
    return count;
  if (head->type == HSYS_CONTROL_REVOKED || head->type == HSYS_CONTROL_GOODBYE)
    return RING_CLOSED;
  if (head->type != type || (uint32_t)count != size || head->sequence != client->sequence)
    return RING_PROTOCOL;
  memcpy(answer, buffer, size);
  client->status = head->status;
  return head->status == HSYS_STATUS_SUCCESS ? 0 : RING_REFUSED;
}

int ring_hello(struct ring_client *client, const char *program)
{
  struct hsys_control_hello hello;
  int result;
  memset(&hello, 0, sizeof hello);
  hello.abi_major = HSYS_ABI_MAJOR;
  hello.minor_max = HSYS_ABI_MINOR;
  strncpy(hello.program, program, sizeof hello.program - 1);
  result = ring_control_send(client, HSYS_CONTROL_HELLO, &hello, sizeof hello);
  if (result == 0)
    result = receive_answer(client, HSYS_CONTROL_WELCOME, &client->welcome, sizeof client->welcome, NULL);
  return result;
}

/* Of memory that is mapped: no new writable mapping, no hole; the daemon reads nothing of our half before. */
#define SEALS_ONCE_MAPPED (F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

/* Nobody, not even we, may be able to change what the daemon says; and the sizes stay. */
static int seals_are_right(const struct ring_client *client)
{
  int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;
  int ktou = fcntl(client->ktou_fd, F_GET_SEALS), utok = fcntl(client->utok_fd, F_GET_SEALS);
  return ktou >= 0 && utok >= 0 && (ktou & (size_seals | SEALS_ONCE_MAPPED)) == (size_seals | SEALS_ONCE_MAPPED) &&
         (utok & size_seals) == size_seals;
}

static int area_fits(uint64_t offset, uint64_t bytes, uint64_t size)
{
  return offset >= HSYS_PAGE && offset <= size && bytes <= size - offset;
}

static int geometry_is_right(const struct ring_client *client, const struct hsys_control_channel_opened *opened)
{
  const struct hsys_geometry *g = &client->geometry;
  return g->magic == HSYS_CHANNEL_MAGIC && g->abi_major == HSYS_ABI_MAJOR && g->epoch == client->welcome.epoch &&
         g->session == client->welcome.session && g->ktou_bytes == opened->ktou_bytes && g->utok_bytes == opened->utok_bytes &&
         (g->sq_entries & (g->sq_entries - 1)) == 0 && (g->cq_entries & (g->cq_entries - 1)) == 0 &&
         (g->ret_entries & (g->ret_entries - 1)) == 0 && g->ret_entries >= g->rx_bytes / HSYS_BLOCK_MIN &&
         area_fits(g->cq_offset, (uint64_t)g->cq_entries * sizeof(struct hsys_cqe), g->ktou_bytes) &&
         area_fits(g->rx_offset, g->rx_bytes, g->ktou_bytes) &&
         area_fits(g->sq_offset, (uint64_t)g->sq_entries * sizeof(struct hsys_sqe), g->utok_bytes) &&
         area_fits(g->ret_offset, (uint64_t)g->ret_entries * sizeof(uint32_t), g->utok_bytes) &&
         area_fits(g->tx_offset, g->tx_bytes, g->utok_bytes);
}

static int map_channel(struct ring_client *client, const struct hsys_control_channel_opened *opened)
{
  void *ktou, *utok;
  if (!seals_are_right(client))
    return RING_PROTOCOL;
  ktou = mmap(NULL, opened->ktou_bytes, PROT_READ, MAP_SHARED, client->ktou_fd, 0);
  if (ktou == MAP_FAILED)
    return RING_SYSTEM;
  client->ktou = ktou;
  client->geometry = ring_kpage(client)->geometry;
  utok = mmap(NULL, opened->utok_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, client->utok_fd, 0);
  if (utok == MAP_FAILED)
    return RING_SYSTEM;
  client->utok = utok;
  if (!client->leaves_unsealed && fcntl(client->utok_fd, F_ADD_SEALS, SEALS_ONCE_MAPPED) != 0)
    return RING_SYSTEM;
  if (!geometry_is_right(client, opened))
    return RING_PROTOCOL;
  client->sq_tail = client->sq_published = hsys_load_acquire(&ring_kpage(client)->sq_head);
  client->cq_head = hsys_load_acquire(&ring_kpage(client)->cq_tail);
  client->ret_tail = hsys_load_acquire(&ring_kpage(client)->ret_head);
  return 0;
}

int ring_open_channel(struct ring_client *client, uint32_t sq_entries, uint32_t cq_entries, uint32_t rx_bytes, uint32_t tx_bytes)
{
  struct hsys_control_channel_open open;
  struct hsys_control_channel_opened opened;
  int fds[4], result;
  memset(&open, 0, sizeof open);
  open.sq_entries = sq_entries;
  open.cq_entries = cq_entries;
  open.rx_bytes = rx_bytes;
  open.tx_bytes = tx_bytes;
  result = ring_control_send(client, HSYS_CONTROL_CHANNEL_OPEN, &open, sizeof open);
  if (result == 0)
    result = receive_answer(client, HSYS_CONTROL_CHANNEL_OPENED, &opened, sizeof opened, fds);
  if (result != 0)
    return result;
  if (fds[3] < 0)
    return RING_PROTOCOL;
  client->ktou_fd = fds[0];
  client->utok_fd = fds[1];
  client->kick = fds[2];
  client->bell = fds[3];
  return map_channel(client, &opened);
}

int ring_start(struct ring_client *client, const char *path, const char *program)
{
  int result = ring_connect(client, path, 5000);
  if (result == 0)
    result = ring_hello(client, program);
  if (result == 0)
    result = ring_open_channel(client, 0, 0, 0, 0);
  return result;
}

void ring_close(struct ring_client *client)
{
  int fds[5] = {client->control, client->kick, client->bell, client->ktou_fd, client->utok_fd};
  int i;
  if (client->ktou)
    munmap((void *)(uintptr_t)client->ktou, client->geometry.ktou_bytes);
  if (client->utok)
    munmap(client->utok, client->geometry.utok_bytes);
  for (i = 0; i < 5; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  client->ktou = client->utok = NULL;
  client->control = client->kick = client->bell = client->ktou_fd = client->utok_fd = -1;
}

uint32_t ring_next_irp(struct ring_client *client)
{
  uint16_t slot = client->next_slot;
  client->next_slot = (uint16_t)((slot + 1u) & (client->geometry.cq_entries - 1u));
  if (client->next_slot == 0)
    client->next_sequence++;
  return HSYS_IRP_ID(slot, client->next_sequence);
}

static int has_space(struct ring_client *client)
{
  return client->sq_tail - hsys_load_acquire(&ring_kpage(client)->sq_head) < client->geometry.sq_entries;
}

int ring_push(struct ring_client *client, const struct hsys_sqe *entry)
{
  struct hsys_sqe *ring = (struct hsys_sqe *)(void *)(client->utok + client->geometry.sq_offset);
  if (!has_space(client))
    return 0;
  ring[client->sq_tail & (client->geometry.sq_entries - 1)] = *entry;
  client->sq_tail++;
  return 1;
}

void ring_kick(struct ring_client *client)
{
  uint64_t one = 1;
  client->kicks++;
  if (write(client->kick, &one, sizeof one) != sizeof one)
    return; /* full: it has rung */
}

void ring_submit(struct ring_client *client)
{
  uint32_t old = client->sq_published;
  client->sq_published = client->sq_tail;
  if (old != client->sq_tail && hsys_publish(&ring_upage(client)->sq_tail, &ring_kpage(client)->sq_wake, old, client->sq_tail))
    ring_kick(client);
}

/* Reads the bell empty; RING_CLOSED when the daemon has closed its end. */
static int sleep_on_bell(struct ring_client *client, long long until)
{
  char bytes[256];
  ssize_t count;
  client->sleeps++;
  if (!wait_readable(client->bell, until))
    return RING_TIMEOUT;
  count = read(client->bell, bytes, sizeof bytes);
  return count == 0 ? RING_CLOSED : 0;
}

int ring_wait_space(struct ring_client *client, int timeout_ms)
{
  long long until = now_ms() + timeout_ms;
  for (;;) {
    uint32_t head = hsys_load_acquire(&ring_kpage(client)->sq_head);
    int result;
    if (client->sq_tail - head < client->geometry.sq_entries)
      return 0;
    if (hsys_arm(&ring_upage(client)->space_wake, &ring_kpage(client)->sq_head, head))
      continue;
    result = sleep_on_bell(client, until);
    if (result != 0)
      return result;
  }
}

int ring_pop(struct ring_client *client, struct hsys_cqe *entry)
{
  const struct hsys_cqe *ring = (const struct hsys_cqe *)(const void *)(client->ktou + client->geometry.cq_offset);
  if (hsys_load_acquire(&ring_kpage(client)->cq_tail) == client->cq_head)
    return 0;
  *entry = ring[client->cq_head & (client->geometry.cq_entries - 1)];
  client->cq_head++;
  hsys_store_release(&ring_upage(client)->cq_head, client->cq_head);
  return 1;
}

int ring_wait(struct ring_client *client, int timeout_ms)
{
  long long until = now_ms() + timeout_ms;
  for (;;) {
    int result;
    if (hsys_arm(&ring_upage(client)->cq_wake, &ring_kpage(client)->cq_tail, client->cq_head))
      return 0;
    result = sleep_on_bell(client, until);
    if (result != 0)
      return result;
  }
}

int ring_next(struct ring_client *client, struct hsys_cqe *entry, int timeout_ms)
{
  for (;;) {
    int result;
    if (ring_pop(client, entry))
      return 1;
    result = ring_wait(client, timeout_ms);
    if (result != 0)
      return result;
  }
}

const uint8_t *ring_block(const struct ring_client *client, const struct hsys_cqe *entry)
{
  return client->ktou + client->geometry.rx_offset + entry->out_offset;
}

void ring_return(struct ring_client *client, uint32_t block)
{
  uint32_t *ring = (uint32_t *)(void *)(client->utok + client->geometry.ret_offset);
  uint32_t old = client->ret_tail;
  ring[old & (client->geometry.ret_entries - 1)] = block;
  client->ret_tail++;
  if (hsys_publish(&ring_upage(client)->ret_tail, &ring_kpage(client)->ret_wake, old, client->ret_tail))
    ring_kick(client);
}

int ring_call(struct ring_client *client, struct hsys_sqe *entry, struct hsys_cqe *completion, int timeout_ms)
{
  int result;
  entry->irp_id = ring_next_irp(client);
  if (!ring_push(client, entry)) {
    result = ring_wait_space(client, timeout_ms);
    if (result != 0)
      return result;
    ring_push(client, entry);
  }
  ring_submit(client);
  for (;;) {
    result = ring_next(client, completion, timeout_ms);
    if (result < 0)
      return result;
    if (completion->irp_id == entry->irp_id)
      return 0;
    if (completion->flags & HSYS_CQE_BLOCK)
      ring_return(client, completion->block);
  }
}

uint8_t *ring_arena(struct ring_client *client, uint32_t offset)
{
  return client->utok + client->geometry.tx_offset + offset;
}
