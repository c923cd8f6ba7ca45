// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/date.h"
#include <algorithm>
#include <cstring>

namespace httpsys::http1 {

namespace {

constexpr int64_t kLastSecond = 253402300799; // 9999-12-31 23:59:59

struct CivilDate {
  uint32_t year, month, day; // month and day from 1
};

// Days since 1970-01-01 in the Gregorian calendar, counted in 400-year eras that begin on 1 March 0000.
CivilDate civil_from_days(uint32_t days)
{
  constexpr uint32_t kDaysTo1970 = 719468, kDaysPerEra = 146097;
  uint32_t shifted = days + kDaysTo1970;
  uint32_t era = shifted / kDaysPerEra;
  uint32_t day_of_era = shifted % kDaysPerEra;
  uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint32_t month_from_march = (5 * day_of_year + 2) / 153;
  uint32_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {era * 400 + year_of_era + (month <= 2 ? 1 : 0), month, day};
}

void put_two_digits(char *out, uint32_t value)
{
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
}

}

HttpDate format_date(int64_t unix_seconds)
{
  auto seconds = static_cast<uint64_t>(std::clamp<int64_t>(unix_seconds, 0, kLastSecond));
  auto days = static_cast<uint32_t>(seconds / 86400);
  auto second_of_day = static_cast<uint32_t>(seconds % 86400);
  CivilDate date = civil_from_days(days);
  HttpDate result;
  char *out = result.text.data();
  std::memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", result.text.size());
  std::memcpy(out, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3); // 1970-01-01 was a Thursday
  put_two_digits(out + 5, date.day);
  std::memcpy(out + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(date.month - 1) * 3], 3);
  put_two_digits(out + 12, date.year / 100);
  put_two_digits(out + 14, date.year % 100);
  put_two_digits(out + 17, second_of_day / 3600);
  put_two_digits(out + 20, second_of_day / 60 % 60);
  put_two_digits(out + 23, second_of_day % 60);
  return result;
}

}
