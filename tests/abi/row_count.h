/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the programs of generate_checks.py have in common: rows checked at run time, and the count of all rows. */
#ifndef HTTPSYS_TESTS_ABI_ROW_COUNT_H
#define HTTPSYS_TESTS_ABI_ROW_COUNT_H

#include <stdio.h>

static int abi_failures;

/* Returns the 1 that a checked row counts. */
static inline unsigned check_row(int good, const char *text)
{
  if (!good) {
    printf("%s: differs\n", text);
    abi_failures++;
  }
  return 1;
}

/* Compares with the lines of the CSV, whose path is the only argument; its first line is a heading. Returns the exit status. */
static inline int check_row_count(int argc, char **argv, unsigned checked, unsigned exceptions)
{
  unsigned lines = 0;
  int c, last = '\n';
  FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
  if (!file) {
    printf("usage: %s ROWS.csv\n", argv[0]);
    return 1;
  }
  while ((c = getc(file)) != EOF) {
    lines += c == '\n';
    last = c;
  }
  lines += last != '\n';
  fclose(file);
  printf("%u rows: %u checked, %u excepted, %d different\n", lines - 1, checked, exceptions, abi_failures);
  return abi_failures != 0 || lines < 1000 || checked + exceptions != lines - 1;
}

#endif
