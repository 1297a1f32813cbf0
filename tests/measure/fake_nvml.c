/* A small stand-in for libnvidia-ml.so.1: the real pynvml asks it, and it answers from the text file
   that FAKE_NVML names. First line: return code of nvmlInit and number of boards. Then for each:
   uuid watts tick_ms counter_code power_code instant_code mig throttle_bits processes offset_mj
   where a code is what the NVML function returns (0 success, 3 not supported, 4 no permission,
   15 GPU is lost). The counter is watts x time since FAKE_NVML_EPOCH (monotonic), in whole ticks. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char uuid[80];
    double watts, tick_ms;
    int counter, power, instant, mig, throttle, processes;
    double offset;
} Board;

static Board boards[8];
static int init_code = 9, count = 0;

static int load(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    init_code = 9; /* driver not loaded */
    count = 0;
    if (!file) return init_code;
    if (fscanf(file, "%d %d", &init_code, &count) != 2) init_code = 999;
    for (int i = 0; i < count; i++) {
        Board *b = &boards[i];
        if (fscanf(file, "%79s %lf %lf %d %d %d %d %d %d %lf", b->uuid, &b->watts, &b->tick_ms,
                   &b->counter, &b->power, &b->instant, &b->mig, &b->throttle, &b->processes,
                   &b->offset) != 10)
            init_code = 999;
    }
    fclose(file);
    return init_code;
}

static double since_epoch(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9 - atof(getenv("FAKE_NVML_EPOCH"));
}

static Board *board(void *handle) {
    load();
    return &boards[(intptr_t)handle - 1];
}

int nvmlInitWithFlags(unsigned flags) { return load(); }
int nvmlInit_v2(void) { return load(); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) {
    switch (code) {
        case 3: return "Not Supported";
        case 4: return "Insufficient Permissions";
        case 9: return "Driver Not Loaded";
        case 15: return "GPU is lost";
        default: return "Unknown Error";
    }
}
int nvmlDeviceGetCount_v2(unsigned *n) { load(); *n = count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) {
    *handle = (void *)(intptr_t)(i + 1);
    return 0;
}
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
    snprintf(uuid, length, "%s", board(handle)->uuid);
    return 0;
}
int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    snprintf(name, length, "Fake GPU");
    return 0;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *pending) {
    Board *b = board(handle);
    if (b->mig < 0) return 3;
    *now = *pending = b->mig;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
    Board *b = board(handle);
    double tick_s = b->tick_ms / 1e3;
    if (b->counter) return b->counter;
    *mj = (unsigned long long)(b->offset + b->watts * 1e3 * tick_s * (long long)(since_epoch() / tick_s));
    return 0;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) {
    Board *b = board(handle);
    *mw = b->watts * 1e3;
    return b->power;
}
typedef struct {
    uint32_t fieldId, scopeId;
    int64_t timestamp, latencyUsec;
    int valueType, nvmlReturn;
    union { double d; uint32_t ui; uint64_t ull; } value;
} Field;
int nvmlDeviceGetFieldValues(void *handle, int n, Field *fields) {
    Board *b = board(handle);
    for (int i = 0; i < n; i++) {
        fields[i].nvmlReturn = fields[i].fieldId == 186 ? b->instant : 3;
        fields[i].value.ui = b->watts * 1e3;
    }
    return b->power;
}
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) { *mw = 700000; return 0; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) { *celsius = 55; return 0; }
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *reasons) {
    *reasons = board(handle)->throttle;
    return 0;
}
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu, compute; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *n, Process *processes) {
    Board *b = board(handle);
    unsigned room = *n;
    *n = b->processes;
    if (b->processes == 0) return 0;
    if (!processes || room < *n) return 7;
    for (unsigned i = 0; i < *n; i++) processes[i] = (Process){1000 + i, 1 << 20, 0, 0};
    return 0;
}
