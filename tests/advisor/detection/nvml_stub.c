/* A libnvidia-ml of two cards that are not there. The second refuses three questions, as drivers do in containers.
 * Signatures and error codes: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/ (read 2026-11-25).
 * Build: cc -shared -fPIC -o libnvidia-ml.so.1 nvml_stub.c; -DNO_DRIVER makes it fail as without a driver,
 * -DHIDDEN_CARD makes the second card refuse itself. */
#include <stdio.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, DRIVER_NOT_LOADED = 9 };
enum { GRAPHICS_CLOCK = 0, MEMORY_CLOCK = 2, SENT = 0, RECEIVED = 1 };

typedef struct { int index; } card;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci;
typedef struct { unsigned long long total, free, used; } memory;

static card cards[2] = {{0}, {1}};

static int put(unsigned *to, unsigned value) { *to = value; return SUCCESS; }

#ifdef NO_DRIVER
int nvmlInitWithFlags(unsigned flags) { (void)flags; return DRIVER_NOT_LOADED; }
#else
int nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
#endif
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.00"); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *n) { return put(n, 2); }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, card **found) {
#ifdef HIDDEN_CARD
    if (index == 1) return NO_PERMISSION;
#endif
    *found = &cards[index];
    return SUCCESS;
}
int nvmlDeviceGetName(card *c, char *text, unsigned size) {
    snprintf(text, size, c->index ? "NVIDIA GeForce RTX 3060" : "NVIDIA GeForce RTX 4090");
    return SUCCESS;
}
int nvmlDeviceGetPciInfo_v3(card *c, pci *found) {
    memset(found, 0, sizeof *found);
    snprintf(found->bus_id, sizeof found->bus_id, c->index ? "00000000:0A:00.0" : "00000000:01:00.0");
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(card *c, memory *m) {
    m->total = (c->index ? 12ULL : 24ULL) << 30;
    m->used = 1ULL << 30;
    m->free = m->total - m->used;
    return SUCCESS;
}
int nvmlDeviceGetCurrPcieLinkGeneration(card *c, unsigned *n) { return put(n, c->index ? 1 : 4); }
int nvmlDeviceGetMaxPcieLinkGeneration(card *c, unsigned *n) { (void)c; return put(n, 4); }
int nvmlDeviceGetCurrPcieLinkWidth(card *c, unsigned *n) { return put(n, c->index ? 4 : 16); }
int nvmlDeviceGetMaxPcieLinkWidth(card *c, unsigned *n) { (void)c; return put(n, 16); }
int nvmlDeviceGetClockInfo(card *c, int kind, unsigned *n) {
    (void)c;
    return put(n, kind == GRAPHICS_CLOCK ? 210 : kind == MEMORY_CLOCK ? 405 : 0);
}
int nvmlDeviceGetMaxClockInfo(card *c, int kind, unsigned *n) {
    if (c->index) return NOT_SUPPORTED;
    return put(n, kind == GRAPHICS_CLOCK ? 3105 : kind == MEMORY_CLOCK ? 10501 : 0);
}
int nvmlDeviceGetPowerUsage(card *c, unsigned *n) { return c->index ? NO_PERMISSION : put(n, 22500); }
int nvmlDeviceGetEnforcedPowerLimit(card *c, unsigned *n) { return put(n, c->index ? 170000 : 450000); }
int nvmlDeviceGetTemperature(card *c, int sensor, unsigned *n) { (void)sensor; return put(n, c->index ? 41 : 35); }
int nvmlDeviceGetPcieThroughput(card *c, int counter, unsigned *n) {
    if (c->index) return NO_PERMISSION;
    return put(n, counter == SENT ? 1100 : counter == RECEIVED ? 2200 : 0);
}
#ifndef HIDDEN_CARD
int nvmlDeviceGetPcieReplayCounter(card *c, unsigned *n) { return put(n, c->index ? 7 : 0); }
#endif
#ifdef HIDDEN_CARD /* drivers before 535 have the older name */
int nvmlDeviceGetCurrentClocksThrottleReasons(card *c, unsigned long long *bits) { (void)c; *bits = 0x1; return SUCCESS; }
#else
int nvmlDeviceGetCurrentClocksEventReasons(card *c, unsigned long long *bits) {
    *bits = c->index ? 0x4 | 0x20 | 0x40 : 0x1;
    return SUCCESS;
}
#endif
