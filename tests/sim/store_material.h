// SPDX-License-Identifier: GPL-3.0-or-later
// What the simulation's administrator imports, beside tls_material.h: made once with openssl, since new ones would make the trace of a seed
// another each time. The keys protect nothing. Names in the store: thumbprints, and of lists the SHA-1 of the DER.
#pragma once

namespace httpsys::sim {

inline constexpr char kAuthorityName[] = "5f75bb8eb1cda666e2902b681191e2f95481bcc0";
inline constexpr char kServerName[] = "b4f261d8dde073616b9ea1a040d120ff95bacb46";
inline constexpr char kOtherAuthorityName[] = "77016e1caa735aa9719bf91dac22886bd9c7d67b";
inline constexpr char kOtherServerName[] = "d796307f91b0bde67614e064a16c455dcfe2b846";
inline constexpr char kOlderListName[] = "a26d6b2f93354694f9d78e7c0875238267065e92";
inline constexpr char kNewerListName[] = "8ae6f0e4b77ed1a44740ce4c8cb1f8ca5aa0ff27";

inline constexpr char kOtherAuthority[] = R"(-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIBATAKBggqhkjOPQQDAjAfMR0wGwYDVQQDDBRodHRwc3lz
LXNpbSBvdGhlciBDQTAgFw0yNTAxMDEwMDAwMDBaGA8yMDUxMDEwMTAwMDAwMFow
HzEdMBsGA1UEAwwUaHR0cHN5cy1zaW0gb3RoZXIgQ0EwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAASxd0TQxARxHDrBp9MRmt5HyXnm5pAwMZrfuQEfT/3o8e16kCXr
I5wrQM7TFOiNGALLZOSyM2+TtaCQSyXXoej5o0IwQDAPBgNVHRMBAf8EBTADAQH/
MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUtfSFVjMbP/fJWSENRrjDY+IFHLcw
CgYIKoZIzj0EAwIDSQAwRgIhAK0usSy2CpROH5ZjLsFBJehmT670gSrfbS4Td2XM
uZMqAiEA1TLdY8qT1zek30RaAXOZsbuHBelAvpmZayICENM4ikE=
-----END CERTIFICATE-----
)";
inline constexpr char kOtherServerCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBtTCCAVqgAwIBAgIBAjAKBggqhkjOPQQDAjAfMR0wGwYDVQQDDBRodHRwc3lz
LXNpbSBvdGhlciBDQTAgFw0yNTAxMDEwMDAwMDBaGA8yMDUxMDEwMTAwMDAwMFow
IzEhMB8GA1UEAwwYaHR0cHN5cy1zaW0gb3RoZXIgc2VydmVyMFkwEwYHKoZIzj0C
AQYIKoZIzj0DAQcDQgAEx26tzxWgiXleNSREKppL8Cblhg6SVQO4Uv8BQUnNczlR
l56gNNSSdgOi8xVfh8DVBKKFTsxqbzXGwLiBk/9vO6OBgDB+MAkGA1UdEwQCMAAw
CwYDVR0PBAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMA8GA1UdEQQIMAaHBH8A
AAEwHQYDVR0OBBYEFJ951WDVBNj9NqNn4G7tThp1WmOeMB8GA1UdIwQYMBaAFLX0
hVYzGz/3yVkhDUa4w2PiBRy3MAoGCCqGSM49BAMCA0kAMEYCIQDXnk2GiHMap19t
gQwIW3h3Mo6aOsl90UiCFuhXKBoAiAIhAKM/XH1Zrg7q88i6VjaGgwnGcmK3JoI0
7Xk7Z97R5Db1
-----END CERTIFICATE-----
)";
inline constexpr char kOtherServerKey[] = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbhyiPM0uvGGULPzZ
0whp7pYVKIYpfmwMv6gu4VNS9HShRANCAATHbq3PFaCJeV41JEQqmkvwJuWGDpJV
A7hS/wFBSc1zOVGXnqA01JJ2A6LzFV+HwNUEooVOzGpvNcbAuIGT/287
-----END PRIVATE KEY-----
)";
inline constexpr char kOlderList[] = R"(-----BEGIN X509 CRL-----
MIHbMIGBAgEBMAoGCCqGSM49BAMCMB8xHTAbBgNVBAMMFGh0dHBzeXMtc2ltIG90
aGVyIENBFw0yNTAxMDIwMDAwMDBaGA8yMDUxMDEwMTAwMDAwMFqgLzAtMB8GA1Ud
IwQYMBaAFLX0hVYzGz/3yVkhDUa4w2PiBRy3MAoGA1UdFAQDAgEBMAoGCCqGSM49
BAMCA0kAMEYCIQD9X4iRHCIZuhbCGOwscqioMc1s+dpnbsX5BeuTMni0MgIhAJNM
3iR+FRZiEi3E8OEhnXngTAisJ/PV/xBUu2TQPPo3
-----END X509 CRL-----
)";
inline constexpr char kNewerList[] = R"(-----BEGIN X509 CRL-----
MIH9MIGlAgEBMAoGCCqGSM49BAMCMB8xHTAbBgNVBAMMFGh0dHBzeXMtc2ltIG90
aGVyIENBFw0yNjAxMDIwMDAwMDBaGA8yMDUxMDEwMTAwMDAwMFowIjAgAgECFw0y
NjExMjcwMjMyNDRaMAwwCgYDVR0VBAMKAQSgLzAtMB8GA1UdIwQYMBaAFLX0hVYz
Gz/3yVkhDUa4w2PiBRy3MAoGA1UdFAQDAgECMAoGCCqGSM49BAMCA0cAMEQCICWJ
zLJ1AHpnns72Ziidpj0mm7pmbES/fb5Ns9y4k+NbAiBw9z45ZA1XYJXJJWhMFdYW
wyv/+1VNQeG9BcoywuwRsw==
-----END X509 CRL-----
)";

}
