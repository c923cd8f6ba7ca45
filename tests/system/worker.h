// SPDX-License-Identifier: GPL-3.0-or-later
// What the workers in C share that system tests kill: crash_worker and reconnecting_worker.
#pragma once
#include <http.h>
#include <stdio.h>
#include <unistd.h>

// ASCII, cut to what fits.
static inline void widen(WCHAR *wide, size_t size, const char *text)
{
  size_t i = 0;
  for (; text[i] && i + 1 < size; i++)
    wide[i] = (WCHAR)(unsigned char)text[i];
  wide[i] = 0;
}

// With the process id. Client or daemon may have gone: that is no error here.
static inline void answer(HANDLE queue, HTTP_REQUEST_ID id)
{
  char body[16];
  HTTP_RESPONSE response = {0};
  HTTP_DATA_CHUNK chunk = {0};
  ULONG bytes;
  chunk.DataChunkType = HttpDataChunkFromMemory;
  chunk.FromMemory.pBuffer = body;
  chunk.FromMemory.BufferLength = (ULONG)snprintf(body, sizeof body, "%d", (int)getpid());
  response.StatusCode = 200;
  response.pReason = "OK";
  response.ReasonLength = 2;
  response.EntityChunkCount = 1;
  response.pEntityChunks = &chunk;
  HttpSendHttpResponse(queue, id, 0, &response, NULL, &bytes, NULL, 0, NULL, NULL);
}
